// The user database of a root file system (passwd(5), group(5), shadow(5), gshadow(5)) as text in, text out.
import { WrennError } from "@wrenn/core";
import type { RecipeUser } from "../recipe/recipe.ts";

/** Content of the four files. */
export interface Accounts {
  passwd: string;
  group: string;
  shadow: string;
  gshadow: string;
}

/** Uid and gid of a recipe's user. */
export const USER_ID = 1000;

/** Days since the epoch on which all passwords were last changed: the real day would differ between two builds. */
const PASSWORD_DAY = 19_600;

/** The files with a user added, who can log in through the agent only: no password fits. */
export function withUser(accounts: Accounts, user: RecipeUser): Accounts {
  const taken = [accounts.passwd, accounts.group].some((text) =>
    text.split("\n").some((line) => {
      const [name, , id] = line.split(":");
      return name === user.name || id === String(USER_ID);
    }),
  );
  if (taken) {
    const message = `recipe.user.name: the packages bring a user or group ${user.name} or the id ${USER_ID}`;
    throw new WrennError("invalid_argument", message, { field: "recipe.user.name" });
  }
  return {
    passwd: `${accounts.passwd}${user.name}:x:${USER_ID}:${USER_ID}::${user.home}:/bin/bash\n`,
    group: `${accounts.group}${user.name}:x:${USER_ID}:\n`,
    shadow: `${accounts.shadow}${user.name}:!:${PASSWORD_DAY}:0:99999:7:::\n`,
    gshadow: `${accounts.gshadow}${user.name}:!::\n`,
  };
}

/** shadow(5) with the same day of the last change in every line. */
export function withFixedPasswordDays(shadow: string): string {
  return shadow.replace(/^([^:\n]*:[^:\n]*:)\d+(?=:)/gm, `$1${PASSWORD_DAY}`);
}
