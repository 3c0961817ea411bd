/** How a page of a report looks, by day and by night: its whole style, with no fonts and no pictures to be fetched. */

const LIGHT = `
  --paper: #f6f7f9; --card: #ffffff; --ink: #171b21; --quiet: #5b6572; --rule: #e2e6eb;
  --blue: #1766c2; --orange: #c4500c; --green: #147a48; --red: #b3261e; --amber-card: #fff4e0; --amber: #7a4b00;
  --r0: #8fb8dd; --r1: #6499cc; --r2: #3f7cba; --r3: #245f9f; --r4: #14457e; --r5: #082c59;`;

const DARK = `
  --paper: #0e1116; --card: #161a21; --ink: #e7eaef; --quiet: #98a3b1; --rule: #29303a;
  --blue: #63acff; --orange: #ff9c5b; --green: #4fca8d; --red: #ff7f76; --amber-card: #33260c; --amber: #ffd596;
  --r0: #2f5d8e; --r1: #3d78b3; --r2: #5594d3; --r3: #7bb1e8; --r4: #a8cff6; --r5: #dcedff;`;

/** The page's style sheet. */
export const STYLE = `
:root { color-scheme: light dark; ${LIGHT} }
@media (prefers-color-scheme: dark) { :root { ${DARK} } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5;
  font: 15px/1.5 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main, header, footer { max-width: 1240px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 36px; }
h1 { margin: 0; font-size: 30px; line-height: 1.2; letter-spacing: -0.02em; overflow-wrap: anywhere; }
h2 { margin: 0; font-size: 16px; letter-spacing: -0.005em; }
h3 { margin: 0; font-size: 13px; font-weight: 600; }
p { margin: 4px 0 0; color: var(--quiet); max-width: 80ch; }
section > p { font-size: 13.5px; }
.where { margin-top: 6px; overflow-wrap: anywhere; }
.note { margin-top: 18px; padding: 10px 14px; border-radius: 8px; background: var(--amber-card); color: var(--amber); max-width: none; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 24px 0 0; padding: 0; }
.tiles div { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; padding: 14px 16px; }
.tiles dt { color: var(--quiet); font-size: 13px; }
.tiles dd { margin: 2px 0 0; font-size: 24px; font-weight: 650; line-height: 1.3; letter-spacing: -0.02em;
  font-variant-numeric: tabular-nums; }
.tiles dd small { font-size: 14px; font-weight: 500; color: var(--quiet); letter-spacing: 0; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 500px), 1fr)); gap: 16px; margin-top: 16px; }
section { background: var(--card); border: 1px solid var(--rule); border-radius: 14px; padding: 20px; margin-top: 16px; min-width: 0; }
.plots section { margin-top: 0; }
.wide, .plots section:nth-child(odd):last-child, .plots section:nth-child(odd):has(+ .wide) { grid-column: 1 / -1; }
svg { display: block; width: 100%; height: auto; max-height: 400px; margin-top: 8px; overflow: visible; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 12px 0 0; padding: 0; list-style: none; font-size: 13px; color: var(--quiet); }
.key { display: inline-block; width: 18px; height: 0; margin-right: 7px; vertical-align: middle; border-top: 3px solid var(--tone); border-radius: 2px; }
.key.dashed { border-top-style: dashed; border-radius: 0; }
.grid { stroke: var(--rule); }
.base { stroke: var(--quiet); opacity: 0.55; }
.tick { fill: var(--quiet); font-size: 12px; font-variant-numeric: tabular-nums; }
.axis { fill: var(--quiet); font-size: 12px; font-weight: 600; }
.line { fill: none; stroke: var(--tone); stroke-width: 2.4; stroke-linejoin: round; stroke-linecap: round; }
.line.dashed { stroke-width: 1.6; stroke-dasharray: 5 5; }
.dot { fill: var(--tone); stroke: var(--card); stroke-width: 1.5; }
.dot.doubtful { fill: var(--card); stroke: var(--tone); }
.bar { fill: var(--blue); }
.blue { --tone: var(--blue); } .orange { --tone: var(--orange); } .green { --tone: var(--green); }
.red { --tone: var(--red); } .grey { --tone: var(--quiet); }
.r0 { --tone: var(--r0); } .r1 { --tone: var(--r1); } .r2 { --tone: var(--r2); }
.r3 { --tone: var(--r3); } .r4 { --tone: var(--r4); } .r5 { --tone: var(--r5); }
.small { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 20px; margin-top: 14px; }
.small p { font-size: 12px; margin: 0; }
.scroll { overflow-x: auto; margin-top: 12px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th { color: var(--quiet); font-weight: 600; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tbody th { color: var(--ink); font-weight: 500; }
tbody tr:last-child > * { border-bottom: 0; }
.void { color: var(--amber); }
details { margin-top: 12px; font-size: 13px; color: var(--quiet); }
summary { cursor: pointer; }
footer { padding: 20px 24px 48px; color: var(--quiet); font-size: 13px; }
footer dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 0; }
footer dd { margin: 0; overflow-wrap: anywhere; }
code { font: 12.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
@media print { body { background: #fff; } section { break-inside: avoid; } }
`;
