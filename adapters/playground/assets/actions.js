// Buttons, menus, forms and the thread panel.

import { $, $$, announce, elements, localTimes, refresh, send, toEnd } from './dom.js';
import { replay, showNote, showPost, showProblem } from './posts.js';
import { follow, showTyping } from './feed.js';
import { composeAll, fill } from './compose.js';

// told shows what came of a request: messages, notes, a thread or form to open.
export async function told(answer, from, instead) {
  const list = listFor(from);
  for (const html of answer.posts || []) showPost(html, answer.room);
  for (const html of answer.notes || []) showNote(html, list, instead);
  if (answer.notes?.length) {
    const notes = $$('[data-note] .body');
    announce(notes.at(-1)?.textContent.trim().slice(0, 600) ?? '');
  } else if (instead && (answer.posts?.length || answer.form)) instead.remove();
  if (answer.thread) await openThread(answer.thread, true);
  if (answer.form) openForm(answer.form);
  if (answer.using) {
    const chip = $('[data-using]', from?.closest('[data-panel]') || $('main'));
    if (chip) chip.textContent = answer.using;
  }
  const scroller = list?.closest('[data-scroll]');
  if (scroller && (answer.posts?.length || answer.notes?.length)) scroller.scrollTop = scroller.scrollHeight;
}

// listFor is where notes of a request go: the thread it was made in, else the
// channel, else the notes of a console page.
function listFor(from) {
  const lists = (root) => $$('[data-room]', root).at(-1);
  return $('[data-notes]') || (from?.closest('[data-panel]') ? lists($('[data-panel]')) : lists($('main')));
}

export function start() {
  document.addEventListener('submit', submit);
  document.addEventListener('click', click);
  document.addEventListener('keydown', (e) => {
    if (e.key !== 'Escape' || e.defaultPrevented || $('dialog:modal')) return;
    if (location.hash === '#sidebar') {
      location.hash = '#main';
    } else if (document.body.dataset.thread && !e.target.closest?.('.options')) {
      e.preventDefault();
      closeThread(true);
    }
  });
  addEventListener('popstate', () => {
    const { path, thread } = document.body.dataset;
    const wanted = location.pathname.split('/t/')[1] || '';
    if (!path || wanted === thread) return; // a jump within the page
    if (wanted) openThread(location.pathname, false);
    else closeThread(false);
  });
  const dialog = $('[data-dialog]');
  if (dialog?.hasAttribute('open')) {
    dialog.close();
    modal(dialog);
  }
  const still = $('.no-dialog form');
  if (still && dialog) {
    openForm(still.outerHTML);
    $('.no-dialog').remove();
  }
}

async function submit(e) {
  const form = e.target;
  if (form.matches('[data-submit]')) {
    e.preventDefault();
    await submitForm(form);
  } else if (form.matches('[data-act]')) {
    e.preventDefault();
    if (form.dataset.confirm && !(await confirmed(form.dataset.confirm, e.submitter?.textContent.trim()))) return;
    await act(form, e.submitter);
  }
}

async function act(form, button) {
  if (form.dataset.busy) return;
  form.dataset.busy = 'yes';
  const words = button?.textContent;
  if (button) {
    button.setAttribute('aria-disabled', 'true');
    if (button.dataset.busy) button.textContent = button.dataset.busy;
  }
  const note = form.closest('[data-note]');
  try {
    const answer = await send(form.action, new FormData(form, button));
    if (answer.done) answer.notes = [answer.done];
    await told(answer, form, note);
    if (form.dataset.reload !== undefined) await refresh();
  } catch (err) {
    showProblem(`That did not work: ${err.message}.`, listFor(form));
  } finally {
    delete form.dataset.busy;
    button?.removeAttribute('aria-disabled');
    if (button?.dataset.busy) button.textContent = words;
  }
}

async function click(e) {
  const at = (selector) => e.target.closest?.(selector);
  const plain = !e.metaKey && !e.ctrlKey && !e.shiftKey && e.button === 0;
  const link = plain && (at('a[data-thread]') || at('a[data-close]') || at('a[data-form]') || at('a[data-cancel]'));
  if (link) {
    if (link.matches('[data-cancel]') && !link.closest('dialog')) return;
    e.preventDefault();
    if (link.matches('[data-thread]')) await openThread(link.getAttribute('href'), true, true);
    else if (link.matches('[data-close]')) closeThread(true);
    else if (link.matches('[data-cancel]')) link.closest('dialog').close();
    else await formFrom(link.getAttribute('href'));
    return;
  }
  if (at('[data-copy]')) await copy(at('[data-copy]'));
  else if (at('[data-dismiss]')) at('[data-note]').remove();
  else if (at('[data-fill]')) fill(at('[data-fill]').dataset.fill);
}

async function copy(button) {
  const text = $('code', button.closest('figure')).textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  button.textContent = 'Copied';
  announce('Copied');
  setTimeout(() => { button.textContent = 'Copy'; }, 1600);
}

// Threads

export async function openThread(path, push, focus = true) {
  const panel = $('[data-panel]');
  if (!panel) {
    location.assign(path);
    return;
  }
  const id = path.split('/t/')[1];
  if (document.body.dataset.thread !== id) {
    const answer = await fetch(path, { headers: { Accept: 'text/html' } });
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const fresh = $('[data-panel]', page);
    if (!answer.ok || !fresh) {
      location.assign(path);
      return;
    }
    panel.replaceChildren(...fresh.childNodes);
    panel.hidden = false;
    document.body.classList.add('with-thread');
    document.body.dataset.thread = id;
    localTimes(panel);
    composeAll(panel);
    replay(`${document.body.dataset.channel}/${id}`);
    showTyping();
    follow();
    if (push && location.pathname !== path) history.pushState({}, '', path);
  }
  toEnd(panel);
  if (focus) $('textarea', panel)?.focus();
}

function closeThread(push) {
  const panel = $('[data-panel]');
  const id = document.body.dataset.thread;
  if (!panel || !id) return;
  const held = panel.contains(document.activeElement) || document.activeElement === document.body;
  panel.hidden = true;
  panel.replaceChildren();
  document.body.classList.remove('with-thread');
  document.body.dataset.thread = '';
  if (push) history.pushState({}, '', document.body.dataset.path);
  if (held) ($(`main a[data-thread="${CSS.escape(id)}"]`) || $('main textarea'))?.focus({ preventScroll: true });
}

// Forms

function modal(dialog) {
  if (!dialog.open) dialog.showModal();
  const wrong = $('[aria-invalid]', dialog);
  (wrong || $$('input:not([type=hidden]), textarea', dialog).find((i) => !i.value) || $('input:not([type=hidden])', dialog))?.focus();
}

function openForm(html) {
  const dialog = $('[data-dialog]');
  if (!dialog) return;
  dialog.replaceChildren(...elements(html));
  modal(dialog);
}

async function formFrom(path) {
  try {
    await told(await send(path), document.body);
  } catch (err) {
    showProblem(`That did not work: ${err.message}.`, listFor(document.body));
  }
}

async function submitForm(form) {
  const dialog = form.closest('dialog');
  const button = $('[type=submit]', form);
  if (form.dataset.busy) return;
  form.dataset.busy = 'yes';
  const words = button.textContent;
  button.textContent = button.dataset.busy;
  button.setAttribute('aria-disabled', 'true');
  try {
    const answer = await send(form.action, new FormData(form));
    if (answer.form) {
      // A key typed is not sent back by the server: it stays here.
      const typed = $$('[type=password]', form).map((i) => [i.name, i.value]);
      const [fresh] = elements(answer.form);
      form.replaceWith(fresh);
      for (const [name, value] of typed) if (fresh.elements[name]) fresh.elements[name].value = value;
      if (dialog) modal(dialog);
      return;
    }
    dialog?.close();
    dialog?.replaceChildren();
    await told({ ...answer, notes: answer.done ? [answer.done] : answer.notes }, document.body);
    await refresh();
  } catch (err) {
    const notice = $('[data-notice]', form);
    notice.textContent = `Not saved: ${err.message}.`;
    notice.hidden = false;
  } finally {
    delete form.dataset.busy;
    button.textContent = words;
    button.removeAttribute('aria-disabled');
  }
}

// confirmed asks before something is taken away, and gives the answer.
function confirmed(question, label) {
  return new Promise((resolve) => {
    const dialog = document.createElement('dialog');
    dialog.className = 'dialog';
    const form = document.createElement('form');
    form.method = 'dialog';
    form.className = 'fields';
    const p = document.createElement('p');
    p.textContent = question;
    p.id = 'confirm-question';
    dialog.setAttribute('aria-labelledby', p.id);
    const foot = document.createElement('div');
    foot.className = 'form-foot';
    const no = document.createElement('button');
    no.className = 'button quiet';
    no.textContent = 'Cancel';
    const yes = document.createElement('button');
    yes.className = 'button danger';
    yes.value = 'yes';
    yes.textContent = label || 'Yes';
    foot.append(no, yes);
    form.append(p, foot);
    dialog.append(form);
    dialog.addEventListener('close', () => { resolve(dialog.returnValue === 'yes'); dialog.remove(); });
    document.body.append(dialog);
    dialog.showModal();
    no.focus();
  });
}
