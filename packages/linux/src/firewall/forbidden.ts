// The IPv4 destinations that no guest may reach, whatever lives there.

/**
 * Everything that is not the public internet: private networks, the machine itself, cloud metadata,
 * and what is no unicast address. From the IANA special-purpose address registry (RFC 6890). The
 * documentation networks (RFC 5737) are left out: nothing real is there, and tests need some that are
 * routed like public ones.
 */
export const FORBIDDEN_IPV4: readonly string[] = [
  "0.0.0.0/8", // "this network" (RFC 791)
  "10.0.0.0/8", // private (RFC 1918); the slots' own addresses too
  "100.64.0.0/10", // carrier-grade NAT (RFC 6598)
  "127.0.0.0/8", // loopback (RFC 1122)
  "169.254.0.0/16", // link-local (RFC 3927), with the metadata service 169.254.169.254
  "172.16.0.0/12", // private (RFC 1918)
  "192.0.0.0/24", // protocol assignments (RFC 6890); some clouds keep services here
  "192.88.99.0/24", // 6to4 relays (RFC 7526)
  "192.168.0.0/16", // private (RFC 1918)
  "198.18.0.0/15", // benchmarking (RFC 2544)
  "224.0.0.0/4", // multicast (RFC 5771)
  "240.0.0.0/4", // reserved (RFC 1112) and limited broadcast
];
