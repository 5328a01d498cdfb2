// What WCAG 2.2 A and AA ask of a mail's page, as far as a program sees it, from computed styles and
// laid-out boxes. Answers with a list of [rule, where]. The argument: {lang, width}.
const wanted = arguments[0];
const found = [];
const where = (node) => {
  const element = node.nodeType === 1 ? node : node.parentElement;
  const text = (node.textContent || '').trim().replace(/\s+/g, ' ').slice(0, 50);
  return `<${element.localName}> ${text}`;
};
const find = (rule, node) => found.push([rule, typeof node === 'string' ? node : where(node)]);
const all = (selector) => [...document.querySelectorAll(selector)];
const style = (element) => getComputedStyle(element);

// Colours.
const parse = (text) => {
  const parts = (text.match(/[\d.]+/g) || []).map(Number);
  return parts.length === 3 ? [...parts, 1] : parts;
};
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
const isDark = matchMedia('(prefers-color-scheme: dark)').matches
  && /dark/.test(style(document.documentElement).colorScheme);
const canvas = isDark ? [18, 18, 18, 1] : [255, 255, 255, 1];
const backgroundOf = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    if (style(at).backgroundImage !== 'none') return null;
    layers.push(parse(style(at).backgroundColor));
  }
  return layers.reverse().reduce((below, top) => over(top, below), canvas);
};
const opacityOf = (element) => {
  let opacity = 1;
  for (let at = element; at; at = at.parentElement) opacity *= Number(style(at).opacity);
  return opacity;
};
const luminance = (colour) => {
  const [r, g, b] = colour.slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, other) => {
  const pair = [luminance(one), luminance(other)];
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
};

// Texts that are seen.
const boxOf = (node) => {
  const range = document.createRange();
  range.selectNodeContents(node);
  return range.getBoundingClientRect();
};
const isClipped = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const box = at.getBoundingClientRect();
    const hides = style(at).overflow !== 'visible' && (box.height < 2 || box.width < 2);
    if (hides || style(at).clipPath !== 'none' || style(at).visibility === 'hidden') return true;
  }
  return false;
};
const texts = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode;
  const box = boxOf(node);
  const isSeen = node.textContent.trim() && box.width > 1 && box.height > 1;
  if (isSeen && opacityOf(node.parentElement) > 0 && !isClipped(node.parentElement)) texts.push(node);
}
if (texts.length === 0) find('no text', document.body);

for (const node of texts) { // 1.4.3, and a size that people can read
  const element = node.parentElement;
  const size = parseFloat(style(element).fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && Number(style(element).fontWeight) >= 700);
  const background = backgroundOf(element);
  if (background === null) {
    find('text on a picture', node);
    continue;
  }
  const colour = parse(style(element).color);
  colour[3] *= opacityOf(element);
  const ratio = contrast(over(colour, background), background);
  if (ratio < (isLarge ? 3 : 4.5)) find(`contrast ${ratio.toFixed(2)}`, node);
  if (size < 12) find(`text of ${size} px`, node);
}

// Language and title: 3.1.1, 2.4.2.
const root = document.documentElement;
if (root.lang !== wanted.lang) find('language', `lang="${root.lang}", not "${wanted.lang}"`);
if (document.title.trim() === '') find('title', 'none');

// Headings: 1.3.1, 2.4.6.
const headings = all('h1, h2, h3, h4, h5, h6');
if (headings.filter((heading) => heading.localName === 'h1').length !== 1) find('not one h1', root);
headings.forEach((heading, i) => {
  const level = Number(heading.localName[1]);
  const before = i === 0 ? 0 : Number(headings[i - 1].localName[1]);
  if (level > before + 1) find('heading level skipped', heading);
  if (heading.textContent.trim() === '') find('empty heading', heading);
});

// Links: 2.4.4, 1.4.1, 2.5.8.
const vague = /^(click |cliciwch )?(here|yma|more|mwy|read more|darllen mwy|link|dolen|this|hwn)[.!]?$/i;
const nameOf = (link) => (link.getAttribute('aria-label')
  || [...link.querySelectorAll('img')].map((image) => image.alt).concat(link.textContent).join(' '))
  .trim().replace(/\s+/g, ' ');
const isInSentence = (link) => {
  let block = link.parentElement;
  while (style(block).display === 'inline') block = block.parentElement;
  const own = [...block.childNodes].filter((node) => !node.contains(link)).map((node) => node.textContent);
  return own.join('').trim() !== '';
};
const targets = new Map();
for (const link of all('a')) {
  const name = nameOf(link);
  const href = link.getAttribute('href') || '';
  if (!/^(https?|mailto|tel):/.test(href)) find('link to nowhere', link);
  if (name === '') find('link without a name', href);
  if (vague.test(name) || /^https?:/.test(name)) find('link that does not say where to', link);
  if (targets.has(name) && targets.get(name) !== href) find('one name for two links', link);
  targets.set(name, href);
  const looks = style(link);
  const isButton = looks.backgroundColor !== 'rgba(0, 0, 0, 0)' || looks.borderTopWidth !== '0px';
  const isUnderlined = looks.textDecorationLine.includes('underline');
  if (isInSentence(link) && !isButton && !isUnderlined) find('link by colour alone', link);
}
// A target may be smaller than 24 px where a circle of that size around it meets no other target.
const links = all('a').map((link) => ({ link, box: link.getBoundingClientRect() }));
const isSmall = ({ box }) => box.height < 24 || box.width < 24;
const centre = ({ box }) => [box.x + box.width / 2, box.y + box.height / 2];
const gap = (point, box) => Math.hypot(
  Math.max(box.left - point[0], 0, point[0] - box.right),
  Math.max(box.top - point[1], 0, point[1] - box.bottom),
);
for (const small of links.filter(isSmall)) {
  const [x, y] = centre(small);
  const isCrowded = links.some((other) => other !== small && (isSmall(other)
    ? Math.hypot(x - centre(other)[0], y - centre(other)[1]) < 24
    : gap([x, y], other.box) < 12));
  if (isCrowded && !isInSentence(small.link)) find('links too close to hit one', small.link);
}

// Pictures: 1.1.1.
for (const image of all('img')) {
  if (!image.hasAttribute('alt')) find('picture without alt', image.src.slice(0, 40));
  if (!image.src.startsWith('data:')) find('picture from elsewhere', image.src.slice(0, 40));
}

// Tables that lay out say so; tables of data have headers: 1.3.1.
for (const table of all('table')) {
  const own = (selector) => [...table.querySelectorAll(selector)].filter((e) => e.closest('table') === table);
  const isLayout = ['presentation', 'none'].includes(table.getAttribute('role'));
  const headers = own('th');
  if (isLayout && (headers.length > 0 || own('caption').length > 0)) find('layout with headers', table);
  if (!isLayout && headers.length === 0) find('table without role or headers', table);
  if (headers.some((header) => !header.hasAttribute('scope'))) find('header without scope', table);
}

// Lists: 1.3.1.
for (const list of all('ul, ol')) {
  if ([...list.children].some((child) => child.localName !== 'li')) find('list of other than items', list);
}
for (const item of all('li')) if (!item.closest('ul, ol')) find('item outside a list', item);

// Ids, zoom, and what a mail must not have.
const ids = all('[id]').map((element) => element.id);
ids.filter((id, i) => ids.indexOf(id) !== i).forEach((id) => find('id twice', id));
for (const meta of all('meta[name=viewport]')) {
  if (/user-scalable\s*=\s*(no|0)|maximum-scale\s*=\s*[0-4]\b/.test(meta.content)) find('zoom forbidden', meta);
}
for (const element of all('script, form, iframe, object, embed, link, audio, video, base')) find('active part', element);
for (const element of all('[tabindex]')) if (element.tabIndex > 0) find('order of focus changed', element);
for (const element of all('[aria-hidden=true] a')) find('hidden link takes focus', element);
for (const element of all('meta[http-equiv=refresh]')) find('refresh', element);

// Nothing sticks out sideways: 1.4.10. Nor with the spacing that readers may set: 1.4.12.
const checkWidth = (rule) => {
  if (root.scrollWidth > wanted.width) {
    const culprit = texts.find((node) => boxOf(node).right > wanted.width + 1);
    find(`${rule}: ${root.scrollWidth} px of ${wanted.width}`, culprit || document.body);
  }
};
checkWidth('scrolls sideways');
const spacing = document.createElement('style');
spacing.textContent = '* { line-height: 1.5 !important; letter-spacing: 0.12em !important;'
  + ' word-spacing: 0.16em !important } p { margin-bottom: 2em !important }';
document.head.append(spacing);
checkWidth('scrolls sideways when spaced');
for (const node of texts) {
  for (let at = node.parentElement; at; at = at.parentElement) {
    const cuts = style(at).overflow === 'hidden' || style(at).overflowY === 'hidden';
    if (cuts && at.scrollHeight > at.clientHeight + 1) find('cut off when spaced', node);
  }
}
spacing.remove();
return found;
