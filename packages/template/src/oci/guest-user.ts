// The user that commands are run as, added to the accounts of somebody else's image. Text in, text out.

/** Content of passwd(5), group(5) and shadow(5). */
export interface Accounts {
  passwd: string;
  group: string;
  shadow: string;
}

/** The first id that distributions give to people. */
const FIRST_ID = 1000;

/** The accounts with the user and the id it got, the same for its group; no id for a user that was there already. */
export function withGuestUser(
  { passwd, group, shadow }: Accounts,
  { name, home }: { name: string; home: string },
): { accounts: Accounts; id: number | undefined } {
  const users = lines(passwd);
  const groups = lines(group);
  if (users.some(([known]) => known === name)) return { accounts: { passwd, group, shadow }, id: undefined };
  const taken = new Set([...users, ...groups].map(([, , id]) => id));
  let id = FIRST_ID;
  while (taken.has(String(id))) id++;
  // A group of that name is joined by its users alone: the user gets one of its own number.
  const groupName = groups.some(([known]) => known === name) ? `${name}${id}` : name;
  const accounts = {
    passwd: `${ended(passwd)}${name}:x:${id}:${id}::${home}:/bin/bash\n`,
    group: `${ended(group)}${groupName}:x:${id}:\n`,
    shadow: `${ended(shadow)}${name}:!::0:99999:7:::\n`,
  };
  return { accounts, id };
}

function lines(text: string): string[][] {
  return text.split("\n").map((line) => line.split(":"));
}

function ended(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}
