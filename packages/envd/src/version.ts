// What the agent says about itself.

/**
 * Version of the guest agent's protocol. Clients decide by it which calls they may make, so it is raised
 * only when what the number promises is implemented (0.5.2: CloseStdin; 0.5.7 would promise more of `/files`).
 */
export const ENVD_VERSION = "0.5.2";

/** TCP port on which the agent listens inside a guest. */
export const ENVD_PORT = 49983;
