// What the agent says about itself.

/**
 * Version of the guest agent's protocol. Clients decide by it which calls they may make, so it is raised
 * only when what the number promises is implemented (0.5.7: octet-stream uploads; 0.6.2: metadata of files; 0.6.3: entries
 * in events of watches; 0.6.4: watches on network file systems when asked for). `tests/envd` holds it to its word.
 */
export const ENVD_VERSION = "0.6.4";

/** TCP port on which the agent listens inside a guest. */
export const ENVD_PORT = 49983;
