/** Device authorizations: codes given out, and how their approval goes. */
import {
  ACCESS_DENIED,
  AUTHORIZATION_PENDING,
  EXPIRED_DEVICE_CODE,
  INVALID_GRANT,
  SLOW_DOWN,
} from "./bodies.ts";
import type { Answer } from "./bodies.ts";
import type { Clock } from "./clock.ts";
import type { JsonObject } from "./types.ts";

/** How a device authorization ends when nobody calls `approveDevice` or `denyDevice`; `manual` stays pending. */
export type DeviceOutcome = "approve" | "deny" | "expire" | "manual";

/** How the device grant goes; read at each request. */
export interface DeviceSettings {
  /** Polls answered `authorization_pending` before the outcome; default 1. */
  pendingPolls: number;
  /** Status of a pending answer; clients report both, default 400. */
  pendingStatus: 400 | 200;
  /** Seconds between polls, as told to the client; default 1. */
  intervalS: number;
  /** Seconds a device code lives; default 1800. */
  expiresInS: number;
  /** Default `approve`. */
  outcome: DeviceOutcome;
  /** Who approves; default the default account. */
  accountId: string;
  /** Numbers (from 1) of the polls answered `slow_down`. */
  slowDownAt: number[];
  /** Changes the reply of the device authorization, to leave fields out or to spoil them. */
  replyOverride: ((reply: JsonObject) => unknown) | undefined;
}

interface Device {
  userCode: string;
  deviceCode: string;
  startedAtMs: number;
  lastPollMs: number;
  polls: number;
  decision: { approvedBy: string } | "denied" | undefined;
  spent: boolean;
}

/** What a poll comes to. */
export type PollResult = { approvedBy: string } | { answer: Answer };

/** All device authorizations of one stand-in. */
export class DeviceBook {
  /** Polls that came before their interval had passed. */
  tooFast = 0;
  readonly #byDeviceCode = new Map<string, Device>();
  readonly #byUserCode = new Map<string, Device>();
  readonly #clock: Clock;
  readonly #settings: DeviceSettings;

  constructor(clock: Clock, settings: DeviceSettings) {
    this.#clock = clock;
    this.#settings = settings;
  }

  /** Gives out a pair of codes; the reply of the device authorization. */
  start(verificationUri: string): JsonObject {
    const serial = String(this.#byDeviceCode.size + 1).padStart(4, "0");
    const device: Device = {
      userCode: `FAKE-${serial}`,
      deviceCode: `standin-device-code-${serial}`,
      startedAtMs: this.#clock.now(),
      lastPollMs: Number.NEGATIVE_INFINITY,
      polls: 0,
      decision: undefined,
      spent: false,
    };
    this.#byDeviceCode.set(device.deviceCode, device);
    this.#byUserCode.set(device.userCode, device);
    return {
      user_code: device.userCode,
      device_code: device.deviceCode,
      verification_uri: verificationUri,
      verification_uri_complete: `${verificationUri}?user_code=${device.userCode}`,
      expires_in: this.#settings.expiresInS,
      interval: this.#settings.intervalS,
    };
  }

  /** One poll of the token route; an approval is handed out once. */
  poll(deviceCode: string): PollResult {
    const device = this.#byDeviceCode.get(deviceCode);
    if (device === undefined || device.spent) {
      return { answer: INVALID_GRANT };
    }
    const nowMs = this.#clock.now();
    device.polls += 1;
    // A quarter of the interval is allowed for timers and for the way of the last answer.
    if (nowMs - device.lastPollMs < this.#settings.intervalS * 750) {
      this.tooFast += 1;
    }
    device.lastPollMs = nowMs;
    if (nowMs >= device.startedAtMs + this.#settings.expiresInS * 1000) {
      return { answer: EXPIRED_DEVICE_CODE };
    }
    if (this.#settings.slowDownAt.includes(device.polls)) {
      return { answer: SLOW_DOWN };
    }
    return this.#decide(device);
  }

  #decide(device: Device): PollResult {
    const pending: PollResult = {
      answer: { ...AUTHORIZATION_PENDING, status: this.#settings.pendingStatus },
    };
    if (device.decision === undefined) {
      if (this.#settings.outcome === "manual" || device.polls <= this.#settings.pendingPolls) {
        return pending;
      }
      if (this.#settings.outcome === "expire") {
        return { answer: EXPIRED_DEVICE_CODE };
      }
    }
    if (
      device.decision === "denied" ||
      (device.decision === undefined && this.#settings.outcome === "deny")
    ) {
      device.spent = true;
      return { answer: ACCESS_DENIED };
    }
    device.spent = true;
    return device.decision ?? { approvedBy: this.#settings.accountId };
  }

  /** Whether this user code waits for a decision. */
  isOpen(userCode: string): boolean {
    const device = this.#byUserCode.get(userCode);
    return device !== undefined && !device.spent && device.decision === undefined;
  }

  /** Settles a user code; throws if there is no such code. */
  settle(userCode: string, decision: { approvedBy: string } | "denied"): void {
    const device = this.#byUserCode.get(userCode);
    if (device === undefined) {
      throw new Error(`no device authorization with the user code ${userCode}`);
    }
    device.decision = decision;
  }
}
