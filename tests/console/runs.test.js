/** Runs of pipelines: listed, drawn with their stages, and watched while they run. */
import { READER, eventually } from "./broker.js";
import { Person } from "./browser.js";
import { scene, stage } from "./scene.js";

const { browser, broker } = await stage();

const stages = async (page) => (await page.getByRole("region", { name: "Stages" }).locator("tbody tr").allInnerTexts()).map((row) => row.split("\t").slice(0, 3).join(" "));

scene("a run is watched from its begin to its end, and one that failed says why", async () => {
  const person = await Person.arrive(browser, broker);
  const { page } = person;
  await person.signIn(READER);
  await person.go("runs");
  await page.getByText("No run yet").waitFor();
  const told = (name, second, data = {}, run_id = "run_a") =>
    broker.publish({ type: `pipeline.${name}`, pipeline: "user-analytics", run_id, timestamp: `2026-02-15T12:00:0${second}Z`, data });
  await told("started", 0);
  await page.getByRole("link", { name: "run_a" }).click();
  await page.getByText("still runs").waitFor();
  await told("stage.extract", 2, { rows: 1300, duration_ms: 1500 });
  await page.getByRole("img", { name: "extract: from 500 ms on for 1.5 s" }).waitFor();
  await told("retrying", 3, { stage: "load", attempt: 2 });
  await page.getByText("load, attempt 2").waitFor();
  await told("stage.load", 5, { rows: 950 });
  await eventually("both stages", async () => (await stages(page)).join() === "extract 1.5 s 1,300,load 3 s 950");
  await told("completed", 6, { rows_loaded: 950, duration_ms: 6000, stages: [{ name: "extract", duration_ms: 1500, rows: 1300 }, { name: "filter", duration_ms: 500, rows: 950 }, { name: "load", duration_ms: 4000, rows: 950 }] });
  await eventually("what the end tells of them", async () => (await stages(page)).join() === "extract 1.5 s 1,300,filter 500 ms 950,load 4 s 950");
  await page.getByRole("img", { name: "load: from 2 s on for 4 s" }).waitFor();
  await person.inspect("run");
  await page.getByRole("region", { name: "Events of the run" }).getByRole("link", { name: "pipeline.retrying" }).click();
  await page.getByRole("heading", { name: "pipeline.retrying" }).waitFor();
  await page.getByRole("link", { name: "run_a" }).click();
  await page.getByRole("heading", { name: "Run run_a" }).waitFor();
  await told("failed", 9, { error: "the source refused the connection" }, "run_b");
  await person.go("runs?pipeline=user-analytics");
  await page.getByRole("row").filter({ hasText: "run_b" }).locator(".status.bad").waitFor();
  await page.getByRole("row").filter({ hasText: "run_a" }).locator(".status.good").waitFor();
  await person.inspect("runs");
  await page.getByLabel("Run", { exact: true }).fill("run_b");
  await page.keyboard.press("Enter");
  await page.getByText("the source refused the connection").waitFor();
  await person.go("runs/not-there");
  await page.getByText("No event has this run").waitFor();
  await person.leave();
});
