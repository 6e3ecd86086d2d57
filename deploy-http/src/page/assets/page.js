// Makes the page move. Every state, word and button comes from the server as markup it has escaped; what
// comes from outside, the log, is only ever set as text. Without this file the page does the same by forms.
'use strict';
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (name, kind, text) => { const made = document.createElement(name); made.className = kind; if (text !== undefined) made.textContent = text; return made; };

  // The theme is set before anything is painted.
  const root = document.documentElement;
  const kept = { get: () => { try { return localStorage.getItem('theme'); } catch { return null; } }, set: (theme) => { try { localStorage.setItem('theme', theme); } catch { /* a private window */ } } };
  if (['light', 'dark'].includes(kept.get())) root.dataset.theme = kept.get();

  const theme = () => {
    const button = one('#theme');
    const dark = () => (root.dataset.theme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
    const word = () => { button.textContent = dark() ? '☀ Light' : '☾ Dark'; };
    button.hidden = false; word();
    button.addEventListener('click', () => { root.dataset.theme = dark() ? 'light' : 'dark'; kept.set(root.dataset.theme); word(); });
  };

  // Times in the browser's zone; what is not over counts on.
  const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
  const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hourCycle: 'h23' });
  const took = (ms) => ms < 1e3 ? `${Math.max(0, Math.round(ms))} ms` : ms < 6e4 ? `${(ms / 1e3).toFixed(1)} s` : `${Math.floor(ms / 6e4)} min ${Math.floor(ms % 6e4 / 1e3)} s`;
  const count = () => all('[data-since]').forEach((span) => { span.textContent = took(Date.now() - Date.parse(span.dataset.since)); });
  const times = (within) => { all('time', within).forEach((time) => { time.textContent = day.format(new Date(time.dateTime)); time.title = time.dateTime; }); count(); };

  // A short sentence for those who listen, at most one per second.
  let last = '', waits = 0;
  const say = (text) => { if (text === last) return; last = text; clearTimeout(waits); waits = setTimeout(() => { one('#said').textContent = text; }, 1000); };

  // Puts a newer part in place, and the focus where it was.
  const replace = (panel, html) => {
    const focus = panel.contains(document.activeElement) ? document.activeElement : null;
    const place = focus && (focus.id ? `#${CSS.escape(focus.id)}` : focus.dataset.step ? `[data-step="${CSS.escape(focus.dataset.step)}"]` : focus.getAttribute('href') ? `a[href="${CSS.escape(focus.getAttribute('href'))}"]` : null);
    const fresh = new DOMParser().parseFromString(html, 'text/html');
    all('[data-fresh]').forEach((old) => { const newer = one(`#${old.id}`, fresh); if (newer) { old.replaceChildren(...newer.childNodes); times(old); } });
    if (place) (one(place, panel) || one('a, button:not(:disabled)', panel) || panel).focus({ preventScroll: true });
    const head = one('[data-say]', panel);
    if (head) say(head.dataset.say);
  };
  const fetched = async (panel, address) => {
    try {
      const answer = await fetch(address, { headers: { accept: 'text/html' } });
      if (answer.ok) replace(panel, await answer.text());
      else if (answer.status === 401 || answer.status === 403) say('You are no longer signed in.');
    } catch { say('Connection lost, trying again.'); }
  };

  // What is open while somebody looks; a page in the background holds no connection.
  const whileSeen = (open) => {
    let close = null;
    const turn = () => { if (document.hidden) { close?.(); close = null; } else close ??= open(); };
    document.addEventListener('visibilitychange', turn); addEventListener('pagehide', () => { close?.(); close = null; }); addEventListener('pageshow', turn); turn();
  };

  const list = (panel) => whileSeen(() => {
    const every = setInterval(() => { if (!panel.contains(getSelection()?.anchorNode) || getSelection().isCollapsed) fetched(panel, location.href); }, Number(panel.dataset.again));
    return () => clearInterval(every);
  });

  // A run: any event means that the server has something newer to show.
  const run = (panel) => {
    let soon = 0, cursor = 0;
    const later = () => { soon ||= setTimeout(() => { soon = 0; fetched(panel, panel.dataset.part); }, 120); };
    whileSeen(() => follow(panel.dataset.events, () => cursor, (line) => { if (line.sequence) cursor = line.sequence; if (line.kind === 'event' || line.kind === 'closed') later(); }));
  };

  // Server-sent events from a number on. The browser comes back by itself; after `closed` it need not.
  const follow = (address, after, take) => {
    const stream = new EventSource(`${address}${address.includes('?') ? '&' : '?'}after=${after()}`);
    stream.addEventListener('message', (message) => {
      const line = JSON.parse(message.data);
      take(line);
      if (line.kind === 'error' || (line.kind === 'closed' && line.reason === 'ended')) stream.close();
    });
    stream.addEventListener('error', () => { if (stream.readyState !== EventSource.CLOSED) say('Connection lost, trying again.'); });
    return () => stream.close();
  };

  // The log: every line is kept as data, those on the screen are in the page.
  const KEPT = 200000, ROW = 20;
  const direction = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
  const clean = (text) => text.replace(/\u001b\[[^@-~]*[@-~]?/g, '').replace(direction, (c) => `\\u{${c.charCodeAt(0).toString(16)}}`);

  const log = (section) => {
    const box = one('#lines', section), ol = one('ol', box), form = one('#filters', section), more = one('.more', section);
    const runtime = 'runtime' in section.dataset;
    let lines = [], shown = [], cursor = Number(section.dataset.after || 0), dropped = 0, over = '', asked = false, following = true;
    const field = (name) => form.elements[name]?.value ?? '';
    const grave = ['debug', 'info', 'warn', 'error'];
    const wanted = () => {
      const [step, source, level, find] = [field('step'), field('source'), grave.indexOf(field('level')), field('find').toLowerCase()];
      return (line) => line.gap || ((!step || line.step === step) && (!source || line.source === source) && grave.indexOf(line.level) >= level && (!find || line.message.toLowerCase().includes(find)));
    };
    const row = (line, at) => {
      const li = make('li', line.gap ? 'gap' : line.level);
      li.style.top = `${at * ROW}px`; li.dataset.at = at;
      if (line.gap) { li.textContent = line.message; return li; }
      li.id = `L${line.sequence}`;
      li.append(make('span', 'at', clock.format(new Date(line.at))), ' ', make('span', 'from', (line.source + (line.step ? `/${line.step}` : '')).padEnd(22)), ' ', make('span', 'level', line.level.padEnd(5)), ' ', make('span', 'text', clean(line.message)));
      return li;
    };
    const note = make('span', 'muted'), down = make('button', 'quiet', '↓ Follow');
    down.type = 'button';
    down.addEventListener('click', () => { following = true; draw(); });
    more.replaceChildren(note, down);
    const draw = () => {
      asked = false;
      ol.style.height = `${shown.length * ROW}px`;
      if (following) box.scrollTop = box.scrollHeight;
      const from = Math.max(0, Math.floor(box.scrollTop / ROW) - 30), to = Math.min(shown.length, from + Math.ceil(box.clientHeight / ROW) + 60);
      ol.replaceChildren(...shown.slice(from, to).map((line, at) => row(line, from + at)));
      const n = (number) => number.toLocaleString();
      note.textContent = `${n(shown.length)} of ${n(lines.length)} lines${dropped ? `, ${n(dropped)} older ones not shown` : ''}${over}`;
      down.hidden = following;
    };
    const soon = () => { if (!asked) { asked = true; requestAnimationFrame(draw); } };
    const filter = () => { shown = lines.filter(wanted()); soon(); };
    // The numbers of what a live release writes are microseconds.
    const at = (number) => clock.format(new Date(number / 1e3));
    const missing = (gap) => runtime ? `… what was written from ${at(gap.from)} to ${at(gap.to)} may be missing …` : `… lines ${gap.from} to ${gap.to} are missing …`;
    const take = (line) => {
      if (line.kind === 'closed' && runtime && line.reason === 'ended') { over = ' · this release serves no more'; say('This release serves no more.'); soon(); return; }
      if (line.kind === 'gap') line = { gap: true, message: missing(line), sequence: line.to };
      else if (line.kind !== 'log') return;
      if (line.sequence <= cursor) return;
      cursor = line.sequence;
      lines.push(line);
      if (test(line)) shown.push(line);
      if (lines.length > KEPT * 1.1) { dropped += lines.length - KEPT; lines = lines.slice(-KEPT); shown = lines.filter(test); }
      soon();
    };
    let test = wanted();
    const refilter = () => { test = wanted(); following = true; filter(); mark(); };
    const mark = () => all('[data-step]').forEach((link) => link.dataset.step === field('step') ? link.setAttribute('aria-current', 'true') : link.removeAttribute('aria-current'));
    form.addEventListener('submit', (event) => { event.preventDefault(); refilter(); });
    form.addEventListener('input', refilter);
    one('button', form).hidden = true;
    all('.scripted', form).forEach((label) => { label.hidden = false; });
    document.addEventListener('click', (event) => {
      const link = event.target.closest?.('[data-step]');
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const choice = form.elements.step;
      if (![...choice.options].some((option) => option.value === link.dataset.step)) choice.append(new Option(link.dataset.step, link.dataset.step));
      choice.value = choice.value === link.dataset.step && link.hasAttribute('aria-current') ? '' : link.dataset.step;
      refilter();
      section.scrollIntoView({ block: 'nearest' });
    });
    box.addEventListener('scroll', () => { following = box.scrollTop + box.clientHeight >= box.scrollHeight - ROW; soon(); }, { passive: true });
    box.classList.add('windowed'); ol.replaceChildren();
    whileSeen(() => follow(section.dataset.logs, () => cursor, take));
    new ResizeObserver(soon).observe(box);
    mark();
  };

  document.addEventListener('DOMContentLoaded', () => {
    theme(); times(document);
    one('#zone').textContent = `Times are in ${Intl.DateTimeFormat().resolvedOptions().timeZone}.`;
    setInterval(count, 100);
    const panel = one('#panel');
    if (panel?.dataset.again) list(panel);
    if (panel?.dataset.events) run(panel);
    if (one('#log')) log(one('#log'));
    const readiness = one('#readiness, [role="alert"]');
    if (readiness) readiness.focus({ preventScroll: true });
  });
})();
