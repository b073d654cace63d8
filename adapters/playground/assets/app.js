// The page works without this: with it, answers grow, threads open beside the
// channel and what is typed is completed.

import { localTimes, toEnd, $ } from './dom.js';
import { composeAll } from './compose.js';
import * as feed from './feed.js';
import * as actions from './actions.js';

document.documentElement.classList.add('js');
localTimes(document);
composeAll();
toEnd();
feed.restoreUnread();
if ($('#lost')) feed.start(); // nothing happens on the login page
actions.start();

const box = $('.thread:not([hidden]) textarea') || $('main textarea');
if (box && !matchMedia('(pointer: coarse)').matches && !$('dialog[open]')) box.focus({ preventScroll: true });
