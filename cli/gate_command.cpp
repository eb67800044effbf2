#include "actors/runs/run_counts.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/load_settings.hpp"
#include "cli/run_scores.hpp"
#include "core/gate/verdict.hpp"

#include <nlohmann/json.hpp>

#include <memory>
#include <optional>

namespace assay::cli {

namespace {

using nlohmann::json;

struct gate_flags {
  std::string policy;
  std::string run;
  std::string baseline;
  std::string junit;
};

/// Reads what the rules need. A metric that the run does not have stays out; its rules are inconclusive.
result<gate::judged_run> read_judged(const std::shared_ptr<storage::store>& from, const std::string& name,
                                     const gate::policy& policy) {
  auto run = read_run_named(from, name);
  if (!run)
    return run.error();
  refresh_counts(from, *run);
  gate::judged_run out;
  out.id = to_string(run->spec.id);
  out.state = run->state;
  out.cost = run->progress.cost;
  out.done = run->progress.done;
  out.failed = run->progress.failed;
  for (const auto& rule : policy.rules) {
    if (rule.kind == gate::rule_kind::max_cost || rule.kind == gate::rule_kind::max_error_rate
        || out.scores.contains(rule.metric))
      continue;
    auto scores = storage::read_scores(from, *run, {{}, rule.metric == "score" ? "" : rule.metric});
    if (!scores && scores.error().code == errc::not_found)
      continue;
    if (!scores)
      return scores.error();
    out.scores.emplace(rule.metric, std::move(*scores));
  }
  return out;
}

exit_code exit_code_of(gate::verdict outcome) noexcept {
  switch (outcome) {
  case gate::verdict::pass:
    return exit_code::ok;
  case gate::verdict::fail:
    return exit_code::failed;
  case gate::verdict::inconclusive:
    return exit_code::inconclusive;
  }
  return exit_code::internal;
}

std::string verdict_cell(const terminal& where, gate::verdict outcome) {
  const auto which = outcome == gate::verdict::pass   ? colour::green
                     : outcome == gate::verdict::fail ? colour::red
                                                      : colour::yellow;
  return paint(where, which, to_string(outcome));
}

std::string render(const terminal& where, const gate::gate_report& report) {
  table rows({{"verdict", align::left, squeeze::whole}, {"rule"}, {"measured"}});
  for (const auto& rule : report.rules)
    rows.add({verdict_cell(where, rule.outcome), on_one_line(rule.name), on_one_line(rule.message)});
  return rows.render(where, where.columns) + "\n" + on_one_line(report.policy) + ": "
         + verdict_cell(where, report.outcome()) + "\n";
}

exit_code judge_run(command_context& context, const gate_flags& flags) {
  const auto text = read_file(flags.policy);
  if (!text)
    return report(context, text.error());
  const auto policy = gate::parse_policy(*text, flags.policy);
  if (!policy) {
    report(context, policy.error());
    return exit_code::configuration;
  }
  if (policy->needs_baseline() && flags.baseline.empty())
    return report(context, {errc::invalid_argument, "the policy compares with a baseline", "--baseline",
                            "name the run that is to be reached"});
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto store = open_store_read_only(*settings);
  if (!store)
    return report(context, store.error());
  const auto run = read_judged(*store, flags.run, *policy);
  if (!run)
    return report(context, run.error());
  std::optional<gate::judged_run> baseline;
  if (!flags.baseline.empty()) {
    auto read = read_judged(*store, flags.baseline, *policy);
    if (!read)
      return report(context, read.error());
    baseline = std::move(*read);
  }
  const auto outcome = gate::judge(*policy, *run, baseline ? &*baseline : nullptr);
  if (!flags.junit.empty()) {
    if (const auto written = write_file_atomically(flags.junit, gate::to_junit(outcome)); !written)
      return report(context, written.error());
    remark(context, "wrote " + flags.junit);
  }
  if (context.flags.json)
    print(gate::to_json(outcome).dump(2, ' ', false, json::error_handler_t::replace) + "\n");
  else
    print(render(context.out, outcome));
  return exit_code_of(outcome.outcome());
}

} // namespace

void add_gate_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<gate_flags>();
  auto* sub =
      app.add_subcommand("gate", "Judge a run by the rules of a file, for CI: exit code 0 pass, 1 fail, "
                                 "9 inconclusive");
  sub->add_option("RUN", flags->run, "An id, the beginning or end of one, or `last`")->required();
  sub->add_option("-p,--policy", flags->policy, "The rules, a YAML file")->required();
  sub->add_option("-b,--baseline", flags->baseline, "The run that not_worse_than compares with");
  sub->add_option("--junit", flags->junit, "Also write the verdicts there, as JUnit's XML");
  examples(*sub, "  assay gate last --policy gate.yaml\n"
                 "  assay gate last -p gate.yaml --baseline eval_1700000000_0000002a --junit gate.xml\n");
  sub->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return judge_run(c, *flags); }; });
}

} // namespace assay::cli
