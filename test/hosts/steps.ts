/** What is tried on each host, in this order. */
export const STEPS = [
  "install",
  "onboard",
  "turn",
  "refresh",
  "crash",
  "gateway",
  "device",
] as const;

/** A step's name. */
export type StepName = (typeof STEPS)[number];
