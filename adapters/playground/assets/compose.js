// The box to write in: sending, and completion by keyboard.

import { $, $$, nonce, send } from './dom.js';
import { told } from './actions.js';

export function composeAll(root = document) {
  for (const form of $$('[data-compose]', root)) compose(form);
}

const triggers = [/(^|[\s("'*_])@[^\n@`]{0,40}$/, /^\/[^\n]*$/, /^\s*@[^\n]{1,60}\s\/[^\n]*$/];

function compose(form) {
  const text = form.elements.text;
  const list = $('.options', form);
  const state = { options: [], active: -1, asked: 0, before: '' };
  list.id = `options-${nonce()}`;
  text.setAttribute('aria-controls', list.id);

  const close = () => {
    state.options = [];
    state.active = -1;
    state.asked++;
    list.hidden = true;
    list.replaceChildren();
    text.removeAttribute('aria-activedescendant');
  };

  const mark = (i) => {
    state.active = i;
    [...list.children].forEach((li, n) => li.setAttribute('aria-selected', String(n === i)));
    if (i < 0) {
      text.removeAttribute('aria-activedescendant');
      return;
    }
    text.setAttribute('aria-activedescendant', list.children[i].id);
    list.children[i].scrollIntoView({ block: 'nearest' });
  };

  const draw = (options, before) => {
    state.options = options;
    state.before = before;
    list.replaceChildren(...options.map((o, i) => {
      const row = document.createElement('div');
      row.className = 'option';
      row.id = `${list.id}-${i}`;
      row.setAttribute('role', 'option');
      if (o.bot) {
        const avatar = $(`.nav a[data-channel="${CSS.escape(`D-${o.bot}`)}"] .avatar`);
        if (avatar) row.append(avatar.cloneNode(true));
      }
      row.append(span('option-label', o.label));
      if (o.detail) row.append(span('option-detail', o.detail));
      if (o.current) row.append(span('tick', 'current'));
      row.addEventListener('pointerdown', (e) => { e.preventDefault(); pick(i); });
      row.addEventListener('pointermove', () => { if (state.active !== i) mark(i); });
      return row;
    }));
    list.hidden = false;
    // Nothing typed of an argument: Enter sends the command as it stands.
    mark(options[0].back > 0 ? 0 : -1);
  };

  // narrow keeps what still fits while the server is asked about what was just
  // typed: a fast typist never picks what was offered for less.
  const narrow = (before) => {
    if (list.hidden) return;
    const typed = before.startsWith(state.before) ? before.slice(state.before.length) : null;
    const fits = (o) => {
      const soFar = (state.before.slice(state.before.length - o.back) + typed).toLowerCase();
      return soFar.length < o.insert.length && o.insert.toLowerCase().startsWith(soFar);
    };
    const left = typed === null ? [] : state.options.filter(fits);
    if (left.length) draw(left.map((o) => ({ ...o, back: o.back + typed.length })), before);
    else close();
  };

  const ask = async () => {
    const before = text.value.slice(0, text.selectionStart);
    if (!triggers.some((t) => t.test(before))) return close();
    narrow(before);
    const asked = ++state.asked;
    const query = new URLSearchParams({
      text: before, channel: form.elements.channel.value, thread: form.elements.thread.value, bot: form.elements.bot?.value || '',
    });
    try {
      const answer = await fetch(`/playground/complete?${query}`);
      const options = answer.ok ? await answer.json() : [];
      if (asked !== state.asked) return undefined;
      if (options.length) draw(options, before);
      else close();
    } catch { close(); }
    return undefined;
  };

  const pick = (i) => {
    const o = state.options[i];
    const end = text.selectionStart;
    close();
    text.setRangeText(o.insert, end - o.back, end, 'end');
    grow(text);
    text.focus();
    if (o.more) ask();
  };

  // A message that is too long is said to be, and stays as it is: nothing is cut.
  const tooLong = () => {
    const most = Number(text.dataset.most);
    const size = [...text.value].length;
    const over = size > most;
    if (over) problem(form, `This is ${size.toLocaleString()} characters long; a message has at most ${most.toLocaleString()}. Shorten it, or send it in pieces.`);
    else if (form.dataset.long) problem(form, '');
    form.dataset.long = over ? 'yes' : '';
    return over;
  };

  text.addEventListener('input', () => { grow(text); ask(); tooLong(); });
  text.addEventListener('blur', () => setTimeout(close, 120));
  text.addEventListener('keydown', (e) => {
    if (e.isComposing) return;
    const open = !list.hidden;
    const n = state.options.length;
    if (open && (e.key === 'ArrowDown' || e.key === 'ArrowUp')) {
      e.preventDefault();
      const step = e.key === 'ArrowDown' ? 1 : -1;
      mark(state.active < 0 ? (step > 0 ? 0 : n - 1) : (state.active + step + n) % n);
    } else if (open && e.key === 'Escape') {
      e.preventDefault();
      e.stopPropagation();
      close();
    } else if (open && e.key === 'Tab' && !e.shiftKey) {
      e.preventDefault();
      pick(Math.max(state.active, 0));
    } else if (open && e.key === 'Enter' && !e.shiftKey && state.active >= 0 && !complete(state.options[state.active])) {
      e.preventDefault();
      pick(state.active);
    } else if (e.key === 'Enter' && !e.shiftKey) {
      e.preventDefault();
      form.requestSubmit();
    }
  });

  // Enter alone never makes a new line, however the key press is made.
  text.addEventListener('keypress', (e) => { if (e.key === 'Enter' && !e.shiftKey) e.preventDefault(); });

  // complete: what is typed is already what the option would insert.
  const complete = (o) => {
    const end = text.selectionStart;
    return text.value.slice(end - o.back, end).trimEnd() === o.insert.trimEnd() && !o.insert.startsWith('@');
  };

  form.addEventListener('submit', async (e) => {
    e.preventDefault();
    close();
    if (!text.value.trim() || tooLong()) return;
    if (form.dataset.busy) { // sent when the one before it is
      form.dataset.again = 'yes';
      return;
    }
    form.dataset.busy = 'yes';
    const sent = text.value;
    const data = new FormData(form);
    // The box is free at once: what is typed next is another message.
    text.value = '';
    grow(text);
    problem(form, '');
    let again = false;
    const giveBack = (why) => {
      text.value = text.value ? `${sent}\n${text.value}` : sent;
      grow(text);
      problem(form, why);
    };
    try {
      const answer = await send(form.action, data);
      if (answer.problem) {
        giveBack(answer.problem);
      } else {
        form.elements.nonce.value = nonce();
        again = Boolean(form.dataset.again);
        await told(answer, form);
      }
    } catch (err) {
      giveBack(`Not sent: ${err.message}. Press Enter to try again.`);
    } finally {
      delete form.dataset.busy;
      delete form.dataset.again;
    }
    if (again) form.requestSubmit();
  });
  grow(text);
}

function problem(form, text) {
  const p = $('[data-problem]', form);
  p.textContent = text;
  p.hidden = !text;
}

function span(name, text) {
  const s = document.createElement('span');
  s.className = name;
  s.textContent = text;
  return s;
}

// Browsers without field-sizing get their height set.
function grow(text) {
  if (CSS.supports('field-sizing', 'content')) return;
  text.style.height = 'auto';
  text.style.height = `${text.scrollHeight}px`;
}

export function fill(text) {
  const forms = $$('[data-compose]');
  const box = forms[0]?.elements.text;
  if (!box) return;
  box.value = text;
  box.focus();
  box.setSelectionRange(text.length, text.length);
}

