/** Says to the server that a script asks, which asks for a password itself: the browser is to show no window for it. */
export const SCRIPT = { 'x-requested-with': 'XMLHttpRequest' };
