// The container (webpack's module federation) by which JupyterLab finds the panel and the panel finds JupyterLab's
// own libraries. A build would generate it, with a tree of packages to keep up to date; the contract is these two
// functions.
(() => {
  const here = document.currentScript.src;
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
      const [{ plugin }, ...found] = await Promise.all([import(new URL('panel.js', here)), ...needed.map(take)]);
      const extension = { __esModule: true, default: plugin(Object.assign({}, ...found)) };
      return () => extension;
    },
  };
})();
