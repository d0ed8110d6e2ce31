// @wrenn/control-plane: the REST API in front of the hosts. Started as a process by `main.ts`, or in one here.
export { type Config, readConfig } from "./config/config.ts";
export { type ControlPlane, startControlPlane } from "./control-plane.ts";
