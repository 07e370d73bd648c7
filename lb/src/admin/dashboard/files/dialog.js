// One modal dialog for all changes and logs.

import { $, show, text, toast } from "/dashboard/dom.js";

let now = null;

/** Opens the dialog. `confirm` is `{label, danger, run}`, where `run` makes the change and resolves to a
 *  message; without it the dialog is read-only. `closed` is called at its end. Returns a handle. */
export function openDialog({ title, body, confirm = null, wide = false, closed = () => {} }) {
  const dialog = $("dialog");
  dialog.close();
  end();
  const handle = {
    confirm, closed, busy: false,
    /** Enables the change, or shows why not. */
    allow(allowed, why = "") {
      if (now !== handle) return;
      $("dialog-confirm").disabled = !allowed;
      handle.fail(why);
    },
    fail(why) {
      if (now !== handle) return;
      text($("dialog-error"), why);
      show($("dialog-error"), why !== "");
    },
    relabel: (label) => now === handle && text($("dialog-confirm"), label),
    open: () => now === handle,
    close: () => now === handle && dialog.close(),
  };
  now = handle;
  text($("dialog-title"), title);
  $("dialog-body").replaceChildren(...body);
  dialog.classList.toggle("wide", wide);
  text($("dialog-cancel"), confirm ? "Cancel" : "Close");
  show($("dialog-confirm"), confirm !== null);
  text($("dialog-confirm"), confirm?.label ?? "");
  $("dialog-confirm").className = confirm?.danger ? "danger" : "primary";
  handle.allow(true);
  working(false);
  dialog.showModal();
  return handle;
}

/** A change under way goes on; a toast shows its outcome. */
function end() {
  const handle = now;
  now = null;
  $("dialog-body").replaceChildren();
  handle?.closed();
}

/** Locks the inputs during a change. */
function working(busy) {
  $("dialog").setAttribute("aria-busy", String(busy));
  $("dialog-body").inert = busy;
  $("dialog-confirm").disabled = busy;
}

async function submit(event) {
  event.preventDefault();
  const handle = now;
  if (!handle?.confirm || handle.busy || $("dialog-confirm").disabled) return;
  const at = document.activeElement;
  handle.busy = true;
  handle.fail("");
  working(true);
  try {
    const said = await handle.confirm.run();
    handle.close();
    toast(said);
  } catch (error) {
    if (!handle.open()) return toast(error.message);
    handle.fail(error.message);
  } finally {
    handle.busy = false;
    if (handle.open()) {
      working(false);
      at.focus();
    }
  }
}

$("dialog").addEventListener("submit", submit);
$("dialog-cancel").addEventListener("click", () => $("dialog").close());
// The event is late: the next dialog may be open.
$("dialog").addEventListener("close", () => $("dialog").open || end());
