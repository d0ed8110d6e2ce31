// The colours of terminals, brought down to the sixteen that the style sheet makes legible on both themes.

/** The first eight: black, red, green, yellow, blue, magenta, cyan, white; the others are their bright forms. */
export type Colour = number;

/** The nearest of the sixteen to one of xterm's 256 (16 to 231: a cube of 6 × 6 × 6; then 24 greys). */
export function ofIndex(index: number): Colour | undefined {
  if (index < 0 || index > 255) return undefined;
  if (index < 16) return index;
  if (index > 231) return ofGrey((index - 232) / 23);
  const cube = index - 16;
  return ofRgb(Math.floor(cube / 36) * 51, (Math.floor(cube / 6) % 6) * 51, (cube % 6) * 51);
}

/** The nearest by hue: which of the three primaries are strong, and whether the strongest is. */
export function ofRgb(red: number, green: number, blue: number): Colour {
  const [low, high] = [Math.min(red, green, blue), Math.max(red, green, blue)];
  if (high - low < 32) return ofGrey(high / 255);
  const middle = (low + high) / 2;
  const hue = (red > middle ? 1 : 0) + (green > middle ? 2 : 0) + (blue > middle ? 4 : 0);
  return hue + (high > 191 ? 8 : 0);
}

function ofGrey(lightness: number): Colour {
  if (lightness < 0.25) return 0;
  if (lightness < 0.6) return 8;
  return lightness < 0.9 ? 7 : 15;
}
