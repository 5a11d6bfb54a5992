export function page() {
  return null;
}
