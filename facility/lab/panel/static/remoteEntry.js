// The container (webpack's module federation) by which JupyterLab finds the panel and the panel finds JupyterLab's
// own libraries. A build would generate it, with a tree of packages to keep up to date; the contract is these two
// functions.
(() => {
  // JupyterLab has browsers keep an extension's files for a year: the version in its URL tells one panel from the next.
  const here = new URL(document.currentScript.src);
  const beside = file => new URL(`${file}${here.search}`, here);
  const needed = ['@jupyterlab/apputils', '@jupyterlab/services', '@jupyterlab/statusbar', '@jupyterlab/ui-components',
    '@lumino/widgets'];
  let shared = {};

  // Another extension may have brought another version of a library: the one that JupyterLab has loaded counts.
  async function take(name) {
    const versions = Object.values(shared[name] ?? {});
    const chosen = versions.find(one => one.loaded) ?? versions[0];
    if (!chosen) {
      throw new Error(`facility-panel: this JupyterLab does not share ${name}`);
    }
    return (await chosen.get())();
  }

  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB['facility-panel'] = {
    init(scope) {
      shared = scope;
    },
    async get() {
      const [{ plugin }, ...found] = await Promise.all([import(beside('panel.js')), ...needed.map(take)]);
      const extension = { __esModule: true, default: plugin(Object.assign({}, ...found)) };
      return () => extension;
    },
  };
})();
