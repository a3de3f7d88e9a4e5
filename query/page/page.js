/*
 * page.js
 *	  The page: asks /v1/top/live for the list as it changes and /v1/status for the pipeline's health.
 *
 * Everything that comes from the service is put in as text, never as markup.
 */

const $ = (selector) => document.querySelector(selector);
const number = new Intl.NumberFormat();
const PERIODS = ["1", "7", "30", "range"];
const SIZES = ["10", "32", "100"];
const HEALTH_MS = 5000;
const WAITING_MS = 1000;
const RETRY_MS = [500, 1000, 2000, 5000];

/* ---- the question, which the address of the page holds ---- */

function questionOfAddress() {
	const given = new URLSearchParams(location.search);
	const choice = (name, allowed, initial) => (allowed.includes(given.get(name)) ? given.get(name) : initial);
	return {
		key: given.get("key") || "global",
		period: choice("period", PERIODS, "7"),
		n: choice("n", SIZES, "10"),
		from: given.get("from") || isoDay(Date.now() - 6 * 864e5),
		to: given.get("to") || isoDay(Date.now()),
	};
}

function isoDay(milliseconds) {
	return new Date(milliseconds).toISOString().slice(0, 10);
}

function rememberQuestion(question) {
	const { from, to, ...rest } = question;
	const kept = question.period === "range" ? question : rest;
	history.replaceState(null, "", `?${new URLSearchParams(kept)}`);
}

/* What the service is asked; null while the range is not filled in. */
function parametersOf(question) {
	const parameters = new URLSearchParams({ entity: question.key, n: question.n });
	if (question.period !== "range") {
		parameters.set("days", question.period);
		return parameters;
	}
	const start = Date.parse(question.from) / 1000;
	const end = Date.parse(question.to) / 1000 + 86399;
	if (!(start <= end)) return null;
	parameters.set("start", start);
	parameters.set("end", end);
	return parameters;
}

/* ---- the service ---- */

class Refused extends Error {}

/* A refusal is the caller's fault and lasts; anything else may pass. */
async function ask(path, signal) {
	const token = sessionStorage.getItem("token");
	const response = await fetch(path, { signal, headers: token ? { authorization: `Bearer ${token}` } : {} });
	if (response.ok) return response;
	if (response.status === 401) askForToken();
	const problem = await response.json().catch(() => ({}));
	const message = problem.message || `the service answers ${response.status}`;
	throw response.status < 500 && response.status !== 429 ? new Refused(message) : new Error(message);
}

function askForToken() {
	sessionStorage.removeItem("token");
	if (!$("#access").open) $("#access").showModal();
}

$("#access").addEventListener("close", () => {
	const input = $("#access").querySelector("input");
	if (input.value) sessionStorage.setItem("token", input.value);
	input.value = "";
	start();
	askHealth();
});

/* The data of each server-sent event of a response, as it comes. */
async function* events(response) {
	let text = "";
	for await (const chunk of chunksOf(response.body.pipeThrough(new TextDecoderStream()))) {
		text += chunk;
		for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
			const data = text.slice(0, end).split("\n").filter((line) => line.startsWith("data:"));
			if (data.length) yield JSON.parse(data.map((line) => line.slice(5)).join("\n"));
		}
	}
}

/* Not every browser iterates a stream by itself. */
async function* chunksOf(stream) {
	const reader = stream.getReader();
	for (let part; !(part = await reader.read()).done; ) yield part.value;
}

/* ---- following the list ---- */

let following = new AbortController();
let answered = false;

/* Ask the question of the form, and follow its answer until it changes. */
async function start() {
	following.abort();
	const mine = (following = new AbortController());
	const question = questionOfForm();
	const parameters = parametersOf(question);

	answered = false;
	rememberQuestion(question);
	if (!parameters) return fail("The range ends before it begins.");
	for (let failures = 0; !mine.signal.aborted; failures++) {
		try {
			const response = await ask(`/v1/top/live?${parameters}`, mine.signal);
			for await (const answer of events(response)) {
				failures = 0;
				if (mine.signal.aborted) return;
				answered = true;
				setConnection("live", "live");
				show(answer, await ranksBefore(answer, mine.signal));
			}
		} catch (error) {
			if (mine.signal.aborted) return;
			setConnection("away", error instanceof Refused ? "stopped" : "reconnecting");
			if (error instanceof Refused) return fail(error.message);
		}
		await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]);
	}
}

function pause(milliseconds) {
	return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/* While the store is away the stream of the list is there, and silent. */
let connection = { state: "connecting", text: "connecting" };
let storeAway = false;

function setConnection(state, text) {
	connection = { state, text };
	showConnection();
}

function showConnection() {
	const { state, text } = storeAway && connection.state !== "away" ? { state: "away", text: "store away" } : connection;
	$("#connection").dataset.state = state;
	$("#connection span").textContent = text;
}

/* Ranks in the period of the same length before this one; null when it can't be told. */
let before = { id: null, ranks: null };

async function ranksBefore(answer, signal) {
	const id = JSON.stringify([answer.entity, answer.start, answer.end]);
	if (before.id === id) return before.ranks;
	const parameters = new URLSearchParams({
		entity: answer.entity,
		start: 2 * answer.start - answer.end,
		end: answer.start - 1,
		n: 1000,
	});
	const earlier = await ask(`/v1/top?${parameters}`, signal)
		.then((response) => response.json())
		.catch(() => null);
	const known = earlier && earlier.windows.length > 0;
	before = { id, ranks: known ? new Map(earlier.items.map((item) => [item.item, item.rank])) : null };
	return before.ranks;
}

/* ---- showing the list ---- */

let shown = { question: null, ranks: new Map() };
const unfolded = new Set();

function fail(message) {
	$("#summary").textContent = message;
	$("#summary").classList.add("failed");
	$("#list").hidden = $("#legend").hidden = true;
}

function show(answer, earlier) {
	const question = JSON.stringify([answer.entity, answer.start, answer.end, answer.n]);
	const sameQuestion = shown.question === question;
	const focused = document.activeElement?.dataset?.item;

	showSummary(answer);
	$("#list").hidden = answer.items.length === 0;
	$("#legend").hidden = !answer.items.some((item) => item.upper_bound !== item.lower_bound);
	$("#list").classList.toggle("single", answer.end - answer.start === answer.window_seconds);
	$("#list thead .days").textContent = answer.window_seconds === 86400 ? "By day" : "By window";
	$("#list tbody").replaceChildren(
		...answer.items.flatMap((item) => {
			const moved = sameQuestion && shown.ranks.get(item.item) !== item.rank;
			return rowsOf(item, answer, earlier, moved);
		}),
	);
	if (focused !== undefined) [...document.querySelectorAll(".item button")].find((button) => button.dataset.item === focused)?.focus();
	announce(answer, sameQuestion);
	shown = { question, ranks: new Map(answer.items.map((item) => [item.item, item.rank])), first: answer.items[0]?.item };
}

function announce(answer, sameQuestion) {
	const first = answer.items[0]?.item;
	if (sameQuestion && shown.first !== undefined && first !== shown.first) $("#announcement").textContent = `${first} is first now.`;
}

function showSummary(answer) {
	const count = Math.round((answer.end - answer.start) / answer.window_seconds);
	const unit = answer.window_seconds === 86400 ? "day" : "window";
	const parts = [];

	$("#summary").classList.remove("failed");
	if (answer.items.length === 0) parts.push("Nothing was counted");
	else if (answer.total === null) parts.push("Counts are lower bounds, as some windows do not know their total");
	else parts.push(make("strong", {}, number.format(answer.total)), " counted");
	parts.push(count === 1 ? ` in the ${unit} of ` : ` in ${number.format(count)} ${unit}s, `, `${period(answer)} (UTC)`);
	if (count > 1 && answer.windows.length < count && answer.items.length > 0)
		parts.push(`, of which ${answer.windows.length} have data`);
	parts.push(".");
	if (answer.error === 0 && answer.items.length > 0) parts.push(" Every count is exact.");
	else if (answer.error > 0) parts.push(` What no ${unit} lists has at most ${number.format(answer.error)}.`);
	$("#summary").replaceChildren(...parts);
}

function period(answer) {
	const first = label(answer.start, answer.window_seconds);
	const last = label(answer.end - answer.window_seconds, answer.window_seconds);
	return first === last ? first : `${first} – ${last}`;
}

/* When a window begins, for people. */
function label(unix, windowSeconds) {
	const hours = windowSeconds % 86400 === 0 ? {} : { hour: "2-digit", minute: "2-digit" };
	return new Date(unix * 1000).toLocaleString(undefined, { day: "numeric", month: "short", timeZone: "UTC", ...hours });
}

/* The row of an item, and its detail when unfolded. */
function rowsOf(item, answer, earlier, moved) {
	const most = answer.items.reduce((sum, other) => Math.max(sum, other.upper_bound ?? other.lower_bound), 1);
	const isUnfolded = unfolded.has(item.item);
	const button = make("button", { type: "button", "aria-expanded": isUnfolded, title: item.item }, item.item || "(empty)");

	button.dataset.item = item.item;
	button.addEventListener("click", () => {
		if (!unfolded.delete(item.item)) unfolded.add(item.item);
		show(answer, earlier);
	});
	const row = make(
		"tr",
		{ class: moved ? "moved" : "" },
		make("td", { class: "rank" }, String(item.rank)),
		make("td", { class: "change" }, ...changeOf(item, earlier)),
		make("td", { class: "item" }, button),
		make("td", { class: "bar" }, barOf(item, most)),
		make("td", { class: "count" }, number.format(item.estimate), ...boundOf(item)),
		make("td", { class: "days" }, daysOf(item, answer)),
	);
	return isUnfolded ? [row, detailOf(item, answer)] : [row];
}

function changeOf(item, earlier) {
	if (!earlier) return [];
	const rank = earlier.get(item.item);
	if (rank === undefined) return ["new"];
	const up = rank - item.rank;
	if (up === 0) return [make("span", { "aria-label": "unchanged", role: "img" }, "=")];
	const words = `${up > 0 ? "up" : "down"} ${Math.abs(up)}, from ${rank}`;
	return [make("span", { class: up > 0 ? "up" : "down", "aria-label": words, title: words, role: "img" }, `${up > 0 ? "▲" : "▼"} ${Math.abs(up)}`)];
}

function boundOf(item) {
	if (item.upper_bound === item.lower_bound) return [];
	return [make("small", {}, item.upper_bound === null ? "or more" : `to ${number.format(item.upper_bound)}`)];
}

function barOf(item, most) {
	const upper = item.upper_bound ?? item.lower_bound;
	return draw(
		"svg",
		{ "aria-hidden": "true", preserveAspectRatio: "none", viewBox: "0 0 1000 10" },
		draw("rect", { class: "unsure", width: Math.max((1000 * upper) / most, 2), height: 10 }),
		draw("rect", { class: "sure", width: Math.max((1000 * item.lower_bound) / most, 2), height: 10 }),
	);
}

/* All days of an item as one small picture. */
function daysOf(item, answer) {
	const most = Math.max(1, ...item.counts);
	const width = 100 / item.counts.length;
	const words = item.counts
		.map((count, i) => `${label(answer.start + i * answer.window_seconds, answer.window_seconds)}: ${count === null ? "not listed" : number.format(count)}`)
		.slice(-31)
		.join(", ");
	return draw(
		"svg",
		{ role: "img", "aria-label": words, preserveAspectRatio: "none", viewBox: "0 0 100 20" },
		...item.counts.map((count, i) => dayBar(count, most, i * width, Math.max(width - 1, width * 0.7), 20)),
	);
}

function dayBar(count, most, x, width, height) {
	const tall = count === null ? 1 : Math.max((height * count) / most, 1);
	return draw("rect", { class: count === null ? "unlisted" : "sure", x, width, y: height - tall, height: tall });
}

/* The days of an item, large, each with its count. */
function detailOf(item, answer) {
	const most = Math.max(1, ...item.counts);
	const days = item.counts.map((count, i) =>
		make(
			"li",
			{},
			make("span", {}, count === null ? "–" : number.format(count)),
			draw("svg", { "aria-hidden": "true", preserveAspectRatio: "none", viewBox: "0 0 10 100" }, dayBar(count, most, 0, 10, 100)),
			make("span", { class: "day" }, label(answer.start + i * answer.window_seconds, answer.window_seconds)),
		),
	);
	const cell = make("td", { colspan: 6 }, make("ol", { class: days.length > 10 ? "many" : "" }, ...days));
	return make("tr", { class: "detail" }, cell);
}

/* ---- health ---- */

/* Sooner while something is waited for. */
async function followHealth() {
	for (;;) {
		await askHealth();
		await pause(answered && !storeAway ? HEALTH_MS : WAITING_MS);
	}
}

async function askHealth() {
	try {
		showHealth(await (await ask("/v1/status")).json());
	} catch (error) {
		showProblems([`The pipeline's health is not known: ${error.message}.`]);
	}
}

function showHealth(status) {
	const lines = [
		["Last ingest", status.last_ingest === null ? null : ago(status.now - status.last_ingest)],
		["Behind the source", status.lag_records === null ? null : `${number.format(status.lag_records)} records`],
		["Oldest unmirrored", status.mirror_age_seconds === null ? null : seconds(status.mirror_age_seconds)],
		["Records counted", status.records === null ? null : number.format(status.records)],
		["Duplicates", status.duplicates === null ? null : number.format(status.duplicates)],
		...status.sources.map((source) => [source.name, source.up ? "up" : "down", source.up ? "" : "bad"]),
	];
	const rejected = Object.entries(status.rejected).sort((a, b) => b[1] - a[1]);

	storeAway = !status.store_up;
	showConnection();
	if (storeAway && !answered && connection.state !== "away") fail("The store can not be reached. The list comes by itself once it can.");
	showProblems(status.problems);
	$("#health").replaceChildren(
		...lines
			.filter(([, text]) => text !== null)
			.flatMap(([name, text, state]) => [make("dt", {}, name), make("dd", { "data-state": state || "" }, text)]),
	);
	$("#rejected").hidden = rejected.length === 0;
	$("#rejected tbody").replaceChildren(
		...rejected.map(([reason, count]) => make("tr", {}, make("th", { scope: "row" }, reason.replaceAll("_", " ")), make("td", {}, number.format(count)))),
	);
}

/* An alert is read out when it changes, so it changes only when it must. */
function showProblems(problems) {
	const text = problems.join("\n");
	if ($("#problems").dataset.text === text) return;
	$("#problems").dataset.text = text;
	$("#problems").hidden = problems.length === 0;
	$("#problems").replaceChildren(...problems.map((problem) => make("li", {}, problem)));
}

function seconds(value) {
	if (value < 90) return `${Math.max(0, Math.round(value))} s`;
	if (value < 5400) return `${Math.round(value / 60)} min`;
	if (value < 129600) return `${Math.round(value / 3600)} h`;
	return `${Math.round(value / 86400)} days`;
}

function ago(value) {
	return value < 2 ? "now" : `${seconds(value)} ago`;
}

/* ---- building elements ---- */

function filled(element, attributes, children) {
	for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
	element.append(...children);
	return element;
}

function make(name, attributes, ...children) {
	return filled(document.createElement(name), attributes, children);
}

function draw(name, attributes, ...children) {
	return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

/* ---- the form and the theme ---- */

const form = $("#question");

function questionOfForm() {
	const value = (name) => form.elements[name].value;
	return { key: value("key") || "global", period: value("period"), n: value("n"), from: value("from"), to: value("to") };
}

function fillForm(question) {
	for (const [name, value] of Object.entries(question)) form.elements[name].value = value;
	$("#range").hidden = question.period !== "range";
}

/* Keys that were asked for before are offered again. */
function rememberKey() {
	const keys = new Set(["global", ...JSON.parse(localStorage.getItem("keys") || "[]"), questionOfForm().key]);
	localStorage.setItem("keys", JSON.stringify([...keys].slice(-20)));
	$("#keys").replaceChildren(...[...keys].map((key) => make("option", { value: key })));
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", () => {
	$("#range").hidden = questionOfForm().period !== "range";
	rememberKey();
	start();
});

const darkOutside = matchMedia("(prefers-color-scheme: dark)");

function applyTheme() {
	const theme = $("#theme").value;
	document.documentElement.dataset.theme = theme === "auto" ? (darkOutside.matches ? "dark" : "light") : theme;
	localStorage.setItem("theme", theme);
}

$("#theme").value = localStorage.getItem("theme") || "auto";
$("#theme").addEventListener("change", applyTheme);
darkOutside.addEventListener("change", applyTheme);
applyTheme();

addEventListener("popstate", () => {
	fillForm(questionOfAddress());
	start();
});

fillForm(questionOfAddress());
rememberKey();
start();
followHealth();
