/** All that one gateway on one login can show: each module takes it as it is, and leaves it so for the next. */
import "./gateway/running.ts";
import "./gateway/answers.ts";
import "./gateway/wire.ts";
import "./gateway/models.ts";
import "./gateway/settings.ts";
import "./gateway/failures.ts";
import "./gateway/status.ts";
// Last: it kills the gateway.
import "./gateway/crash.ts";
