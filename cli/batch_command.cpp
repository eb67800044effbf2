#include "cli/arguments.hpp"
#include "cli/batch_flags.hpp"
#include "cli/batch_log.hpp"
#include "cli/commands.hpp"
#include "cli/database_command.hpp"
#include "cli/load_settings.hpp"
#include "cli/logging.hpp"
#include "cli/run_end.hpp"
#include "cli/run_report.hpp"
#include "cli/run_session.hpp"
#include "core/reports/test_database.hpp"
#include "storage/test_counts.hpp"

#include <nlohmann/json.hpp>

#include <memory>
#include <set>

namespace assay::cli {

namespace {

using nlohmann::json;

constexpr auto replace = json::error_handler_t::replace;
constexpr milliseconds stop_grace{5000};

json strategies_json(const batch_choice& choice) {
  auto out = json::array();
  for (const auto& one : choice.strategies)
    out.push_back({{"model", one.model},
                   {"provider", one.provider},
                   {"prompt_parallel", one.prompts.at_once},
                   {"calls_at_once", one.prompts.calls_at_once ? json(*one.prompts.calls_at_once) : json()},
                   {"reason", one.prompts.reason},
                   {"evaluations", one.evaluations}});
  return out;
}

void tell_strategies(const command_context& context, const batch_choice& choice) {
  for (const auto& one : choice.strategies)
    remark(context,
           one.model + " at " + one.provider + ": " + show_count(one.evaluations)
               + " evaluations, prompt types " + (one.prompts.at_once ? "at once: " : "one after another: ")
               + one.prompts.reason
               + (one.prompts.calls_at_once ? "; " + show_count(*one.prompts.calls_at_once) + " calls at once"
                                            : ""));
}

exit_code show_plan(const command_context& context, const run_flags& flags, const run_plan& plan,
                    const batch_choice& choice) {
  std::optional<money> total = money{};
  uint64_t calls = 0;
  json shown = json::array();
  table rows({{"model", align::left, squeeze::whole},
              {"provider"},
              {"prompt types"},
              {"tasks", align::right},
              {"calls", align::right},
              {"likely cost", align::right}});
  for (const auto& run : plan.runs) {
    const auto& spec = run.admitted.record.spec;
    const auto& cost = run.admitted.estimated_cost;
    calls += run.admitted.calls;
    total = total && cost ? std::optional{*total + *cost} : std::nullopt;
    std::string types;
    for (const auto& type : spec.prompt_types)
      types += (types.empty() ? "" : ", ") + type;
    rows.add({spec.model.value + (run.simulated ? " (simulated)" : ""), spec.provider.value, types,
              show_count(spec.tasks.size()), show_count(run.admitted.calls),
              cost ? to_string(*cost) : "unknown"});
    shown.push_back({{"model", spec.model.value},
                     {"provider", spec.provider.value},
                     {"prompt_types", spec.prompt_types},
                     {"tasks", spec.tasks.size()},
                     {"calls", run.admitted.calls},
                     {"estimated_cost", cost ? json(to_dollars(*cost)) : json()}});
  }
  if (wants_json(context, flags)) {
    const json out{{"dry_run", true},
                   {"calls", calls},
                   {"estimated_cost", total ? json(to_dollars(*total)) : json()},
                   {"strategies", strategies_json(choice)},
                   {"evaluations", std::move(shown)}};
    print(out.dump(2, ' ', false, replace) + "\n");
    return exit_code::ok;
  }
  rows.add_rule();
  rows.add({"total", "", "", "", show_count(calls), total ? to_string(*total) : "unknown"});
  print(rows.render(context.out, context.out.columns));
  print("Nothing was sent.\n");
  return exit_code::ok;
}

result<void> check_mock(const run_plan& plan) {
  std::set<std::string> asked;
  for (const auto& run : plan.runs)
    if (run.simulated && asked.insert(run.base_url).second)
      if (auto there = check_mock_at(run.base_url); !there)
        return there;
  return {};
}

/// The whole database, and of it what this batch brought.
struct batch_counts {
  reports::test_database all;
  reports::test_database own;
};

result<batch_counts> counts_of(run_session& session) {
  std::set<std::string> own;
  for (const auto& run : session.runs())
    own.insert(to_string(run.record.spec.id));
  auto sources = storage::read_counts(session.where().store());
  if (!sources)
    return sources.error();
  batch_counts out;
  for (auto& source : *sources) {
    if (!source.imported && own.contains(source.name))
      out.own.add(source);
    out.all.add(std::move(source));
  }
  return out;
}

void tell_failures(const command_context& context, const std::vector<run_outcome>& outcomes) {
  for (const auto& outcome : outcomes) {
    const auto& record = outcome.record;
    if (record.error)
      context.err->line(paint(context.err->kind(), colour::red, "failed: ") + record.spec.model.value + " ("
                        + to_string(record.spec.id) + "): " + on_one_line(to_string(explained(record))));
    else if (record.progress.failed > 0)
      remark(context, show_count(record.progress.failed) + " samples failed; `assay show "
                          + to_string(record.spec.id) + " --failed` says why");
  }
}

exit_code finish(const command_context& context, const run_flags& flags, const batch_order& order,
                 const batch_choice& choice, run_session& session, batch_log* log) {
  std::vector<run_outcome> outcomes;
  std::vector<const run_record*> records;
  for (const auto& run : session.runs()) {
    auto one = read_outcome(session.where().store(), run.record.spec.id);
    if (!one)
      return report(context, one.error());
    outcomes.push_back(std::move(*one));
  }
  for (const auto& outcome : outcomes)
    records.push_back(&outcome.record);
  const auto counts = counts_of(session);
  if (!counts)
    return report(context, counts.error());
  reports::test_query query;
  query.by = {"model", "prompt_type"};
  const auto rows = counts->own.rows(query);
  const auto summary = counts->all.statistics()["summary"];
  if (wants_json(context, flags)) {
    json evaluations = json::array();
    for (const auto& outcome : outcomes)
      evaluations.push_back(outcome_json(outcome));
    const json out{{"preset", experiments::to_string(order.preset)},
                   {"strategies", strategies_json(choice)},
                   {"results", rows},
                   {"batch", counts->own.statistics()["summary"]},
                   {"database", summary},
                   {"evaluations", std::move(evaluations)}};
    print(out.dump(2, ' ', false, replace) + "\n");
  } else {
    print(render_tests(context.out, rows, query.by));
    print(show_count(summary["total_tests"].get<uint64_t>()) + " tests of "
          + show_count(summary["runs"].get<uint64_t>())
          + " runs are in the database; `assay database stats` shows them.\n");
  }
  if (!flags.output_path.empty()) {
    const auto written = write_outcomes(session.where().store(), outcomes, flags.output_path, false);
    if (!written)
      return report(context, written.error());
    for (const auto& file : *written)
      remark(context, "wrote " + file.string());
  }
  tell_failures(context, outcomes);
  if (log != nullptr)
    log->line("batch ended tests=" + counts->own.statistics()["summary"]["total_tests"].dump()
              + " database=" + summary["total_tests"].dump());
  session.where().stop(stop_grace);
  return exit_code_of(records, flags.strict);
}

exit_code follow(const command_context& context, const run_flags& flags, const batch_order& order,
                 const batch_choice& choice, run_session& session, signals& caught, batch_log* log) {
  if (log != nullptr)
    session.observe([log](const std::vector<progress_line>& runs) { log->look(runs); });
  switch (session.follow(context, caught)) {
  case session_end::finished:
    return finish(context, flags, order, choice, session, log);
  case session_end::interrupted:
    if (log != nullptr)
      log->line("interrupted; the same command goes on");
    context.err->line("interrupted: what is done is kept. The same command again goes on; --fresh starts "
                      "anew.");
    return session.signal() == SIGINT ? exit_code::interrupted : exit_code::ended_early;
  case session_end::broken:
    break;
  }
  if (log != nullptr)
    log->line("broken: " + on_one_line(to_string(*session.reason())));
  session.where().stop(stop_grace);
  return report(context, *session.reason());
}

exit_code run_here(command_context& context, const batch_flags& given, const batch_order& order) {
  batch_choice choice;
  const auto choose = [&](config::settings& settings,
                          const tasks::task_catalogue& catalogue) -> result<std::vector<run_part>> {
    auto chosen = choose_parts(order.wish, order.ways, settings, catalogue);
    if (!chosen)
      return chosen.error();
    choice = std::move(*chosen);
    return choice.parts;
  };
  const auto plan = plan_parts(context, run_flags_of(given, order), choose);
  if (!plan)
    return report(context, plan.error());
  const auto& flags = plan->flags;
  // The logger may start a thread, so it comes after.
  auto caught = signals::block();
  if (!caught)
    return report(context, caught.error());
  if (auto logging = start_logging(context, *plan->settings, "warn"); !logging)
    return report(context, logging.error());
  for (const auto& note : choice.notes)
    remark(context, "note: " + note);
  tell_strategies(context, choice);
  if (flags.dry_run)
    return show_plan(context, flags, *plan, choice);
  if (auto there = check_mock(*plan); !there)
    return report(context, there.error());
  if (!flags.output_path.empty())
    if (auto writable = check_output_path(flags.output_path); !writable)
      return report(context, writable.error());
  std::optional<batch_log> log;
  if (!given.no_log) {
    auto opened = batch_log::open(given.log_dir, wall_now());
    if (!opened)
      return report(context, opened.error());
    log.emplace(std::move(*opened));
    remark(context, "log: " + log->path().string());
    log->line("batch begins preset=" + std::string(experiments::to_string(order.preset))
              + " evaluations=" + std::to_string(plan->runs.size()));
  }
  auto session = run_session::start(context, *plan, flags.fresh);
  if (!session)
    return report(context, session.error());
  return follow(context, flags, order, choice, **session, **caught, log ? &*log : nullptr);
}

exit_code run(command_context& context, const batch_flags& flags) {
  const auto order = order_of(flags);
  if (!order)
    return report(context, order.error());
  if (!flags.api.url.empty())
    return run_batch_on_server(context, flags, *order);
  return run_here(context, flags, *order);
}

} // namespace

void add_batch_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<batch_flags>();
  auto* sub = app.add_subcommand("batch", "Test models with all prompt types and tasks, as parallel as their "
                                          "providers allow; the results go into the result database");
  add_batch_options(*sub, *flags);
  add_database_verbs(*sub, context);
  examples(*sub,
           "  assay batch quick -m sim-strong\n"
           "  assay batch -m qwen2.5-3b-instruct --prompt-types all --task-types all --num-instances 20 "
           "--prompt-parallel\n"
           "  assay batch -m gpt-5-nano -p baseline,cot,optimal -t all -n 100 -d medium\n"
           "  assay batch full --dry-run\n"
           "  NUM_INSTANCES=50 assay batch parallel -m sim-strong,sim-weak\n"
           "  assay batch export\n");
  sub->callback([&context, flags, sub] {
    // A verb of the database was given.
    if (!sub->get_subcommands().empty())
      return;
    context.action = [flags](command_context& c) { return run(c, *flags); };
  });
}

} // namespace assay::cli
