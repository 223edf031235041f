// @ts-check
/**
 * The orders of the signed-in user: what the session is for.
 */

import { date, setTime } from "/auth/pages/clock.js";
import { find, Panel, stamp } from "/auth/pages/panel.js";

/** @typedef {{id: string, item: string, quantity: number, total_cents: number, ordered_at: number}} Order */

const money = new Intl.NumberFormat(undefined, { style: "currency", currency: "EUR" });

/** @param {Order} order */
function row(order) {
  const tr = stamp("order-row");
  find(tr, ".item", HTMLElement).textContent = order.item;
  setTime(find(tr, "time", HTMLTimeElement), order.ordered_at, date);
  find(tr, ".quantity", HTMLElement).textContent = String(order.quantity);
  find(tr, ".total", HTMLElement).textContent = money.format(order.total_cents / 100);
  return tr;
}

export const orders = new Panel(
  find(document, "#orders", HTMLElement),
  "/api/userOrders",
  (/** @type {{orders: Order[]}} */ body) => body.orders.map(row),
  "No orders yet.",
);
