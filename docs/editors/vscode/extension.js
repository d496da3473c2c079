// Starts `netdsl lsp` for `.net` files; everything else is the server's.
const { window, workspace, commands } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

function command() {
  const settings = workspace.getConfiguration("netdsl");
  const folder = workspace.workspaceFolders?.[0]?.uri.fsPath ?? "";
  const words = settings.get("command").map((word) => word.replace("${workspaceFolder}", folder));
  const data = settings.get("dataDir");
  return data ? [...words, "--data-dir", data] : words;
}

async function start() {
  const [program, ...args] = command();
  const server = { command: program, args, options: { cwd: workspace.workspaceFolders?.[0]?.uri.fsPath } };
  client = new LanguageClient("netdsl", "netdsl", server, {
    documentSelector: [{ language: "net" }],
    synchronize: { fileEvents: workspace.createFileSystemWatcher("**/*.{net,csv,npz}") },
  });
  try {
    await client.start();
  } catch (error) {
    window.showErrorMessage(
      `netdsl: cannot start \`${[program, ...args].join(" ")}\`. Install it with pip install 'netdsl[lsp]', ` +
        "and set netdsl.command where it is not on the PATH.",
    );
  }
}

async function stop() {
  const running = client;
  client = undefined;
  await running?.stop();
}

async function activate(context) {
  context.subscriptions.push(
    commands.registerCommand("netdsl.restart", async () => {
      await stop();
      await start();
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
