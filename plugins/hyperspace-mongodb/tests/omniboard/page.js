// One page in a headless Chromium. Each line of the input is a step, [name, ...arguments] in JSON; each line of the
// output is its answer, {"answer": …} or {"error": …}. Ends with its input.
//
//     node page.js FOLDER-WITH-NODE-MODULES CHROMIUM

'use strict';
const readline = require('node:readline');
const {createRequire} = require('node:module');
const puppeteer = createRequire(`${process.argv[2]}/package.json`)('puppeteer-core');

const ROW = '.public_fixedDataTableRow_main';
const CELL = '.public_fixedDataTableCell_main';

// what the list shows: for each row the text below each heading, and the colour of its status by name
function table(ROW, CELL) {
  const cells = row => [...row.querySelectorAll(CELL)].map(cell => ({
    x: cell.getBoundingClientRect().left, text: cell.innerText.trim(),
    circle: cell.querySelector('.circle')?.className.replace(/circle|pull-left/g, '').trim()}));
  const [heading, ...rows] = [...document.querySelectorAll(ROW)].map(cells);
  return rows.map(row => Object.fromEntries(row.flatMap(cell => {
    const over = heading.find(one => Math.abs(one.x - cell.x) < 2);
    const found = over && over.text ? [[over.text, cell.text]] : [];
    return cell.circle ? [...found, ['circle', cell.circle]] : found;
  })));
}

// marks the one element that is meant, so that it can be clicked: below `within`, with this text
function mark(within, selector, text) {
  document.querySelectorAll('[data-wanted]').forEach(one => one.removeAttribute('data-wanted'));
  const found = [...document.querySelectorAll(`${within} ${selector}`)]
    .find(one => !text || one.innerText.trim().startsWith(text));
  found?.setAttribute('data-wanted', '');
  return Boolean(found);
}

// the row whose Id is this one gets an id of its own
function markRow(ROW, CELL, id) {
  document.getElementById('wanted-row')?.removeAttribute('id');
  const [heading, ...rows] = document.querySelectorAll(ROW);
  const column = [...heading.querySelectorAll(CELL)].find(cell => cell.innerText.trim() === 'Id');
  const x = column?.getBoundingClientRect().left;
  const row = rows.find(one => [...one.querySelectorAll(CELL)].some(cell =>
    Math.abs(cell.getBoundingClientRect().left - x) < 2 && cell.innerText.trim() === String(id)));
  if (row) row.id = 'wanted-row';
  return Boolean(row);
}

const steps = page => ({
  open: async (url, width, height) => {
    await page.setViewport({width, height});
    await page.goto(url, {waitUntil: 'networkidle2'});
  },
  table: () => page.evaluate(table, ROW, CELL),
  text: selector => page.evaluate(one => document.querySelector(one)?.innerText ?? '', selector),
  count: selector => page.evaluate(one => document.querySelectorAll(one).length, selector),
  row: id => page.evaluate(markRow, ROW, CELL, id),
  click: async (within, selector, text) => {
    const found = await page.evaluate(mark, within, selector, text);
    if (found) await page.click('[data-wanted]');
    return found;
  },
  type: async (text, key) => {
    await page.keyboard.type(text);
    if (key) await page.keyboard.press(key);
  },
  picture: async path => { await page.screenshot({path}); },
  errors: () => page.errors.splice(0),
});

async function main() {
  const browser = await puppeteer.launch({executablePath: process.argv[3], headless: true, args: [
    '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update',
    '--disable-sync']});
  const page = await browser.newPage();
  page.errors = [];
  page.on('pageerror', error => page.errors.push(String(error)));
  const known = steps(page);
  for await (const line of readline.createInterface({input: process.stdin})) {
    const [name, ...given] = JSON.parse(line);
    try {
      console.log(JSON.stringify({answer: await known[name](...given) ?? null}));
    } catch (error) {
      console.log(JSON.stringify({error: String(error)}));
    }
  }
  await browser.close();
}

main().catch(error => { console.error(String(error)); process.exit(1); });
