// Live figures of a session: a socket while it comes through, asking every ten seconds while it does not.
// Without this script the page reloads itself (see the noscript tag in its head).
(() => {
  const figures = document.getElementById("live");
  if (!figures || !figures.dataset.socket) return;

  const POLL_MILLISECONDS = 10000;
  const LONGEST_WAIT_MILLISECONDS = 60000;
  const NOT_YOURS = 4404;
  let wait = 1000;
  let polling = null;

  function show(state, html) {
    // What is offered around the figures follows the session's state, its price and payment included: the page is
    // drawn anew. A page that shows the price already has no figures of its own; it only waits for the payment.
    if (state && state !== figures.dataset.state) {
      window.location.reload();
      return;
    }
    if (!figures.hidden) figures.innerHTML = html;
  }

  async function poll() {
    try {
      const response = await fetch(figures.dataset.fallback);
      if (response.ok) show(response.headers.get("X-Live-State"), await response.text());
    } catch {
      // Out of reach for the moment; the next turn asks again.
    }
  }

  function startPolling() {
    if (polling === null) polling = window.setInterval(poll, POLL_MILLISECONDS);
  }

  function stopPolling() {
    window.clearInterval(polling);
    polling = null;
  }

  function connect() {
    const scheme = window.location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${window.location.host}${figures.dataset.socket}`);
    socket.onmessage = (message) => {
      wait = 1000;
      stopPolling();
      const { state, html } = JSON.parse(message.data);
      show(state, html);
    };
    socket.onclose = (event) => {
      if (event.code === NOT_YOURS) return;
      startPolling();
      window.setTimeout(connect, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT_MILLISECONDS);
    };
  }

  connect();
})();
