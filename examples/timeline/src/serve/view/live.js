// What a page shows without being loaded again. Without this script everything works, on the next page.
(() => {
  "use strict";
  const panel = document.getElementById("panel");
  if (!panel || !window.EventSource) return;
  const tweets = document.getElementById("tweets");
  const written = document.getElementById("written");
  const TWEETS_MAX = 100;

  const text = (id, value) => { const node = document.getElementById(id); if (node) node.textContent = value; };
  const element = html => { const t = document.createElement("template"); t.innerHTML = html; return t.content.firstElementChild; };
  const number = value => value.toLocaleString("en");
  const micros = us => us === 0 ? "–" : us < 1000 ? us + " µs" : (us / 1000).toFixed(1) + " ms";

  const source = new EventSource("/live");
  source.addEventListener("open", () => { document.body.dataset.live = "on"; });
  source.addEventListener("error", () => { document.body.dataset.live = "off"; });

  source.addEventListener("panel", event => {
    const figures = JSON.parse(event.data);
    const calls = figures.tiers.reduce((sum, tier) => sum + tier.calls, 0);
    text("hit", (calls ? 100 * figures.saved / calls : 0).toFixed(1) + " %");
    figures.tiers.forEach((tier, at) => {
      const cells = document.querySelectorAll("#tier" + at + " td");
      [number(tier.calls), micros(tier.p50_us), micros(tier.p99_us)].forEach((value, i) => { cells[i].textContent = value; });
    });
    text("statements", number(figures.statements));
    text("saved", number(figures.saved));
    text("died", number(figures.died));
    text("waiting", number(figures.deferred_tags));
    document.getElementById("deferred").hidden = figures.deferred_tags === 0;
    document.getElementById("away").hidden = !figures.redis_is_away;
  });

  source.addEventListener("written", event => {
    written.innerHTML = JSON.parse(event.data).html;
  });

  source.addEventListener("post", event => {
    const { id, html } = JSON.parse(event.data);
    if (!tweets || !("live" in tweets.dataset) || document.getElementById("t" + id)) return;
    const fresh = element(html);
    fresh.classList.add("new");
    tweets.prepend(fresh);
    document.querySelectorAll(".empty").forEach(node => node.remove());
    while (tweets.children.length > TWEETS_MAX) tweets.lastElementChild.remove();
  });

  source.addEventListener("change", event => {
    const { id, html } = JSON.parse(event.data);
    const old = document.getElementById("t" + id);
    if (!old) return;
    const fresh = element(html);
    fresh.querySelectorAll("input[name=back]").forEach((field, i) => {
      const before = old.querySelectorAll("input[name=back]")[i];
      if (before) field.value = before.value;
    });
    old.replaceWith(fresh);
  });

  source.addEventListener("gone", event => {
    const old = document.getElementById("t" + JSON.parse(event.data));
    if (old) old.remove();
  });
})();
