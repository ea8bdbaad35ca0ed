/** The OAuth host: device authorization, token route, and the page a person approves on. */
import { z } from "zod";
import type { ZodType } from "zod";
import { DEFAULT_ACCOUNT } from "./accounts.ts";
import {
  INVALID_CLIENT,
  INVALID_GRANT,
  NOT_FOUND_HTML,
  UNSUPPORTED_GRANT,
  invalidRequest,
} from "./bodies.ts";
import type { Answer } from "./bodies.ts";
import { answerReply, htmlReply, jsonReply } from "./http.ts";
import type { Reply } from "./http.ts";
import { DEVICE_GRANT } from "./recorder.ts";
import { CLIENT_ID } from "./tokens.ts";
import type { RecordedRequest } from "./types.ts";
import { violation } from "./world.ts";
import type { Handler, World } from "./world.ts";

/** Where a person approves a sign-in. */
export const VERIFICATION_PATH = "/code/authorize_device";

// Strict on purpose: the live host is said to refuse a `scope`, and a stray field is a mistake of the client in any case.
const deviceForm = z.strictObject({ client_id: z.string() });
const refreshForm = z.strictObject({
  client_id: z.string(),
  grant_type: z.literal("refresh_token"),
  refresh_token: z.string().min(1),
});
const pollForm = z.strictObject({
  client_id: z.string(),
  grant_type: z.literal(DEVICE_GRANT),
  device_code: z.string().min(1),
});

type Checked<T> = { ok: true; form: T } | { ok: false; reply: Reply };

function refuse(
  world: World,
  request: RecordedRequest,
  answer: Answer,
  what: string,
): { ok: false; reply: Reply } {
  violation(world, request, what);
  return { ok: false, reply: answerReply(answer) };
}

/** Names the fields that are wrong, and never their values, which are secrets here. */
function problems(error: z.ZodError): string {
  return error.issues
    .map((issue) =>
      issue.code === "unrecognized_keys"
        ? `unexpected ${issue.keys.join(", ")}`
        : `bad ${issue.path.join(".")}`,
    )
    .join("; ");
}

function checkForm<T>(world: World, request: RecordedRequest, schema: ZodType<T>): Checked<T> {
  if (request.form === undefined) {
    const what = "the content type must be application/x-www-form-urlencoded";
    return refuse(world, request, invalidRequest(what), what);
  }
  const names = [...new URLSearchParams(request.body).keys()];
  if (new Set(names).size !== names.length) {
    return refuse(
      world,
      request,
      invalidRequest("a parameter is repeated"),
      "a parameter is repeated",
    );
  }
  const parsed = schema.safeParse(request.form);
  if (!parsed.success) {
    const what = problems(parsed.error);
    return refuse(world, request, invalidRequest(what), what);
  }
  if (request.form["client_id"] !== CLIENT_ID) {
    return refuse(world, request, INVALID_CLIENT, "unknown client_id");
  }
  return { ok: true, form: parsed.data };
}

/** `POST /api/oauth/device_authorization`. */
export const deviceAuthorization: Handler = (world, request) => {
  const checked = checkForm(world, request, deviceForm);
  if (!checked.ok) {
    return checked.reply;
  }
  const reply = world.devices.start(`${world.origin}${VERIFICATION_PATH}`);
  return jsonReply(200, world.device.replyOverride?.(reply) ?? reply);
};

function refresh(world: World, request: RecordedRequest): Reply {
  const checked = checkForm(world, request, refreshForm);
  if (!checked.ok) {
    return checked.reply;
  }
  const reply = world.tokens.refresh(checked.form.refresh_token);
  return reply === undefined
    ? answerReply({ ...INVALID_GRANT, status: world.settings.deadGrantStatus })
    : jsonReply(200, reply);
}

function poll(world: World, request: RecordedRequest): Reply {
  const checked = checkForm(world, request, pollForm);
  if (!checked.ok) {
    return checked.reply;
  }
  const result = world.devices.poll(checked.form.device_code);
  return "answer" in result
    ? answerReply(result.answer)
    : jsonReply(200, world.tokens.start(result.approvedBy));
}

/** `POST /api/oauth/token`. */
export const token: Handler = (world, request) => {
  if (request.grantType === "device_code") {
    return poll(world, request);
  }
  const named = request.form?.["grant_type"];
  if (named !== undefined && named !== "refresh_token") {
    return refuse(world, request, UNSUPPORTED_GRANT, "unknown grant_type").reply;
  }
  return refresh(world, request);
};

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

function page(content: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Stand-in sign-in</title>
<style>body{font:16px/1.5 sans-serif;max-width:28rem;margin:4rem auto;padding:0 1rem}code{font-size:1.5rem}button{font:inherit;padding:.4rem 1rem}</style>
</head>
<body><h1>Stand-in sign-in</h1>
<p>This page belongs to a test server on this machine, not to Kimi.</p>
${content}</body>
</html>
`;
}

function decisionForm(userCode: string, accounts: Iterable<string>): string {
  const code = escapeHtml(userCode);
  const options = Array.from(accounts, (id) => `<option>${escapeHtml(id)}</option>`).join("");
  return `<p>A program asks to sign in with the code <code>${code}</code></p>
<form method="post" action="${VERIFICATION_PATH}">
<input type="hidden" name="user_code" value="${code}">
<p><label>Account <select name="account">${options}</select></label></p>
<button name="decision" value="approve">Approve</button>
<button name="decision" value="deny">Deny</button>
</form>
`;
}

const ASK_CODE = `<form method="get" action="${VERIFICATION_PATH}">
<label>Code <input name="user_code" autofocus></label> <button>Next</button>
</form>
`;

/** The verification page: `GET` shows the code with its buttons, `POST` settles it. */
export const verificationPage: Handler = (world, request) => {
  const posted = request.method === "POST";
  const fields = posted
    ? request.form
    : Object.fromEntries(new URL(request.path, "http://stand-in").searchParams);
  const userCode = fields?.["user_code"];
  if (userCode === undefined) {
    return posted ? answerReply(NOT_FOUND_HTML) : htmlReply(200, page(ASK_CODE));
  }
  if (!world.devices.isOpen(userCode)) {
    return htmlReply(404, page("<p>This code is unknown or already settled.</p>\n"));
  }
  if (!posted) {
    return htmlReply(200, page(decisionForm(userCode, world.accounts.keys())));
  }
  if (fields?.["decision"] === "deny") {
    world.devices.settle(userCode, "denied");
    return htmlReply(200, page("<p>Denied.</p>\n"));
  }
  const approvedBy = fields?.["account"] ?? DEFAULT_ACCOUNT;
  if (!world.accounts.has(approvedBy)) {
    return htmlReply(404, page("<p>No such account.</p>\n"));
  }
  world.devices.settle(userCode, { approvedBy });
  return htmlReply(200, page("<p>Approved. You can close this page.</p>\n"));
};
