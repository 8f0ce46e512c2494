// The form to log in or to sign up.

import { api } from './api.js';
import { $ } from './ui-dom.js';

const WORDS = {
  login: {
    intro: 'Log in to continue.', submit: 'Log in', question: 'New here?', other: 'Create an account',
    hint: '', autocomplete: 'current-password', send: api.logIn,
  },
  signup: {
    intro: 'Choose a name. Other people will see it.', submit: 'Create account', question: 'Already have an account?', other: 'Log in',
    hint: 'A good password is a few words that nobody can guess.', autocomplete: 'new-password', send: api.signUp,
  },
};

let mode = 'login', attempt = 0, done = () => {};

/** Shows the form; the promise resolves with the user who has logged in. @param {string} [notice] why it is shown @returns {Promise<import('./api.js').User>} */
export function logIn(notice = '') {
  $('entry').hidden = false;
  $('entry-notice').textContent = notice;
  $('entry-password').value = '';
  turn('login');
  $('entry-name').focus();
  return new Promise(resolve => {
    done = user => {
      $('entry').hidden = true;
      $('entry-password').value = '';
      resolve(user);
    };
  });
}

function turn(to) {
  mode = to;
  attempt++;
  const w = WORDS[mode];
  $('entry-intro').textContent = w.intro;
  $('entry-submit').textContent = w.submit;
  $('entry-question').textContent = w.question;
  $('entry-switch').textContent = w.other;
  $('entry-hint').textContent = w.hint;
  $('entry-password').autocomplete = w.autocomplete;
  $('entry-error').textContent = '';
  document.title = `${w.submit} – Fanfare chat`;
}

function reveal(visible) {
  $('entry-password').type = visible ? 'text' : 'password';
  $('entry-show').textContent = visible ? 'Hide' : 'Show';
  $('entry-show').setAttribute('aria-pressed', String(visible));
  $('entry-show').setAttribute('aria-label', visible ? 'Hide the password' : 'Show the password');
}

async function submit(e) {
  e.preventDefault();
  const name = $('entry-name').value.trim(), password = $('entry-password').value, error = $('entry-error');
  error.textContent = '';
  if (name === '' || password === '') {
    error.textContent = name === '' ? 'Please enter your name.' : 'Please enter a password.';
    return $(name === '' ? 'entry-name' : 'entry-password').focus();
  }
  $('entry-submit').disabled = true;
  const mine = ++attempt;
  try {
    const { user } = await WORDS[mode].send(name, password);
    reveal(false);
    done(user);
  } catch (e) {
    if (mine === attempt) error.textContent = e.message; // otherwise the error belongs to the other form
  } finally {
    $('entry-submit').disabled = false;
  }
}

$('entry-form').addEventListener('submit', submit);
$('entry-switch').addEventListener('click', () => {
  turn(mode === 'login' ? 'signup' : 'login');
  $('entry-name').focus();
});
$('entry-show').addEventListener('click', () => reveal($('entry-password').type === 'password'));
reveal(false);
