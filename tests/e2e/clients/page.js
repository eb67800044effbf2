// What surrounds a client written for a browser: WebSocket, and what the page defines. Runs the file that is named.
'use strict';
const fs = require('fs');
const vm = require('vm');

let opened;
globalThis.WebSocket = class extends require('ws') {
  constructor(address) {
    super(address);
    opened = this;
  }
};
globalThis.ACCESS_TOKEN = process.env.ACCESS_TOKEN;
globalThis.updateProgressBar = (progress) => console.log('progress bar: ' + JSON.stringify(progress));
globalThis.showResults = (id) => {
  console.log('results of: ' + id);
  opened.close();
};
vm.runInThisContext(fs.readFileSync(process.argv[2], 'utf8'), {filename: process.argv[2]});
