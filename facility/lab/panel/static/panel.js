// The panel in JupyterLab's right side bar and the label in its status bar: who I am, my lakes, how long my tokens are
// good, where to sign in again. All sentences come from the server (facility.agent.report); here they are shown, and
// the seconds counted down.

const PANEL = 'facility-panel';
const COMMAND = 'facility:show-panel';
const EVERY = 10_000; // milliseconds between questions, while the page can be seen
const ICON = '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3" fill="#616161"'
  + ' d="M12 1 3 5v6c0 5.5 3.8 10.7 9 12 5.2-1.3 9-6.5 9-12V5l-9-4zm0 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zm0 8c2.7 0 5 1.3'
  + ' 6 3.3A9.4 9.4 0 0 1 12 21a9.4 9.4 0 0 1-6-3.7c1-2 3.3-3.3 6-3.3z"/></svg>';

const beside = file => new URL(`${file}${new URL(import.meta.url).search}`, import.meta.url).href;

/** The plugin, made of JupyterLab's own libraries. */
export function plugin(lab) {
  return {
    id: `${PANEL}:plugin`,
    description: 'Shows who you are, your lakes, and how long your tokens are good.',
    autoStart: true,
    optional: [lab.ICommandPalette, lab.IStatusBar],
    activate: (app, palette, statusBar) => {
      document.head.append(element('link', { rel: 'stylesheet', href: beside('panel.css') }));
      const show = () => app.shell.activateById(PANEL);
      const panel = panelWidget(lab), label = labelWidget(lab, show);
      app.shell.add(panel, 'right', { rank: 900 });
      app.commands.addCommand(COMMAND, { label: 'Show My Identity and Tokens', execute: show });
      palette?.addItem({ command: COMMAND, category: 'Facility' });
      statusBar?.registerStatusItem(PANEL, { item: label, align: 'right', rank: 900 });
      follow(() => ask(lab, app.serviceManager.serverSettings), views(panel.node, label.node));
    },
  };
}

function panelWidget(lab) {
  const made = new lab.Widget();
  made.id = PANEL;
  made.addClass(PANEL);
  made.title.caption = 'Who you are, and your tokens';
  made.title.icon = new lab.LabIcon({ name: `${PANEL}:icon`, svgstr: ICON });
  made.node.tabIndex = -1;
  made.onActivateRequest = () => made.node.focus();
  made.node.setAttribute('role', 'region');
  made.node.setAttribute('aria-label', made.title.caption);
  return made;
}

function labelWidget(lab, show) {
  const button = element('button', { type: 'button', class: 'facility-label', title: 'Who you are, and your tokens' });
  button.addEventListener('click', show);
  return new lab.Widget({ node: button });
}

/** The server's report. Its seconds are counted from now, so that a wrong clock here does not matter. */
async function ask(lab, settings) {
  const response = await lab.ServerConnection.makeRequest(`${settings.baseUrl}facility/status`, {}, settings);
  if (!response.ok) {
    throw new Error(`the notebook server answered ${response.status}`);
  }
  return { report: await response.json(), asked: performance.now() };
}

/** Keeps the views up to date while somebody can see them; a hidden page asks nothing, so it keeps no server alive. */
function follow(question, view) {
  let last = null;
  const look = async () => {
    if (document.hidden) {
      return;
    }
    try {
      last = await question();
      view.show(last.report);
    } catch {
      view.lose();
    }
    count();
  };
  const count = () => last && !document.hidden && view.count((performance.now() - last.asked) / 1000);
  document.addEventListener('visibilitychange', look);
  setInterval(look, EVERY);
  setInterval(count, 1000);
  look();
}

/** What is drawn. Nothing is drawn again that has not changed, so that focus and selection stay where they are. */
function views(panel, label) {
  let drawn = '', report = null;
  return {
    show(found) {
      report = found;
      const now = JSON.stringify({ ...found, tokens: found.tokens.map(one => ({ ...one, seconds: one.seconds > 0 })) });
      if (now !== drawn) {
        panel.replaceChildren(...content(found));
        drawn = now;
      }
    },
    lose() {
      drawn = '';
      report = null;
      panel.replaceChildren(state(['The notebook server does not answer.']));
      write(label, 'Facility: no answer', true);
    },
    count(passed) {
      if (!report) {
        return;
      }
      const left = report.tokens.map(one => Math.max(Math.floor(one.seconds - passed), 0));
      panel.querySelectorAll('.facility-left').forEach((node, place) => write(node, good(left[place]), false));
      write(label, `${report.user}: ${report.again ? 'sign in again' : least(left)}`, report.trouble.length > 0);
    },
  };
}

function* content(report) {
  yield state(report.trouble);
  if (report.sign_in) {
    const looks = report.again ? { class: 'facility-again' } : {};
    yield element('a', { href: report.sign_in, target: '_blank', rel: 'noopener', ...looks }, 'Sign in again');
  }
  yield element('dl', {}, ...pair('User', report.user), ...pair('Virtual organization', report.vo));
  yield element('h2', {}, 'Tokens');
  yield element('dl', {}, ...report.tokens.flatMap(token));
  yield element('h2', {}, 'Lakes');
  yield report.lakes.length ? element('dl', {}, ...report.lakes.flatMap(lake)) : element('p', {}, 'There is none.');
}

function state(trouble) {
  const looks = trouble.length ? 'facility-state facility-trouble' : 'facility-state';
  const sentences = trouble.length ? trouble : ['All is well.'];
  return element('div', { class: looks, role: 'status' }, ...sentences.map(text => element('p', {}, text)));
}

function lake(one) {
  return pair(one.prefix || 'all paths', element('span', {}, code(one.root), element('br'), code(one.https)));
}

function token(one) {
  const left = element('span', { class: 'facility-left' }, good(one.seconds));
  const scope = one.scope ? [element('br'), code(one.scope)] : [];
  return [element('dt', {}, one.name, ': ', left), element('dd', {}, code(one.audience), ...scope)];
}

/** The label's words on tokens that are good for so many seconds each. */
function least(left) {
  const shortest = Math.min(...left);
  return left.length && shortest ? `tokens ${good(shortest)}` : 'a token is missing';
}

const pair = (name, value) => [element('dt', {}, name), element('dd', {}, value)];
const code = text => element('code', {}, text);

function good(seconds) {
  const minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60);
  if (hours) {
    return `good for ${hours} h ${minutes % 60} min`;
  }
  if (minutes) {
    return `good for ${minutes} min ${seconds % 60} s`;
  }
  return seconds ? `good for ${seconds} s` : 'there is none now';
}

function write(node, text, trouble) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
  node.classList.toggle('facility-trouble', trouble);
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  made.append(...children);
  return made;
}
