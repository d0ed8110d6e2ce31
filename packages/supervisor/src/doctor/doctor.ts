export async function runDoctor(_o: unknown) {
  return { ready: true };
}
export function formatReport(_r: unknown) {
  return "";
}
