#include "cli/run_end.hpp"

#include "cli/reachable.hpp"
#include "cli/run_report.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>

namespace assay::cli {

namespace {

using nlohmann::json;

constexpr auto replace = json::error_handler_t::replace;
constexpr milliseconds probe_timeout{1000};
constexpr milliseconds stop_grace{5000};

result<std::vector<run_outcome>> outcomes_of(run_session& session) {
  std::vector<run_outcome> out;
  for (const auto& run : session.runs()) {
    auto one = read_outcome(session.where().store(), run.record.spec.id);
    if (!one)
      return one.error();
    out.push_back(std::move(*one));
  }
  return out;
}

exit_code verdict(const std::vector<run_outcome>& outcomes, bool strict) {
  std::vector<const run_record*> records;
  for (const auto& outcome : outcomes)
    records.push_back(&outcome.record);
  return exit_code_of(records, strict);
}

void show_outcomes(const command_context& context, const run_flags& flags,
                   const std::vector<run_outcome>& outcomes) {
  if (!wants_json(context, flags)) {
    print(render_outcomes(context.out, outcomes));
    return;
  }
  json evaluations = json::array();
  for (const auto& outcome : outcomes)
    evaluations.push_back(outcome_json(outcome));
  print(json{{"evaluations", std::move(evaluations)}}.dump(2, ' ', false, replace) + "\n");
}

void show_errors(const command_context& context, const std::vector<run_outcome>& outcomes) {
  for (const auto& outcome : outcomes) {
    const auto& record = outcome.record;
    if (record.error)
      context.err->line(paint(context.err->kind(), colour::red, "failed: ") + record.spec.model.value + ": "
                        + on_one_line(to_string(explained(record))));
    if (record.progress.failed > 0)
      remark(context, show_count(record.progress.failed) + " samples failed; `assay show "
                          + to_string(record.spec.id) + " --failed` says why");
  }
}

exit_code end_interrupted(const command_context& context, const run_session& session) {
  uint64_t done = 0;
  uint64_t total = 0;
  for (const auto& run : session.runs()) {
    done += run.record.progress.done;
    total += run.record.progress.total;
  }
  context.err->line(
      "interrupted: " + show_count(done) + " of " + show_count(total)
      + " samples are done and kept. The same command again goes on from here; --fresh starts anew.");
  return session.signal() == SIGINT ? exit_code::interrupted : exit_code::ended_early;
}

exit_code finish(const command_context& context, const run_flags& flags, run_session& session) {
  const auto outcomes = outcomes_of(session);
  if (!outcomes)
    return report(context, outcomes.error());
  std::vector<std::filesystem::path> files;
  if (!flags.output_path.empty()) {
    auto written = write_outcomes(session.where().store(), *outcomes, flags.output_path,
                                  flags.log_samples.value_or(false));
    if (!written) {
      show_outcomes(context, flags, *outcomes);
      return report(context, written.error());
    }
    files = std::move(*written);
  }
  show_outcomes(context, flags, *outcomes);
  std::fflush(stdout);
  for (const auto& file : files)
    remark(context, "wrote " + file.string());
  show_errors(context, *outcomes);
  session.where().stop(stop_grace);
  return verdict(*outcomes, flags.strict);
}

} // namespace

bool wants_json(const command_context& context, const run_flags& flags) {
  return context.flags.json || flags.output == "json";
}

result<void> check_mock_at(const std::string& base_url) {
  if (check_listening(base_url, probe_timeout))
    return {};
  return fault{errc::connect_failed,
               "the mock provider, which answers for simulated models, is not at " + base_url,
               {},
               "start it with `assay mock-provider &`, or say where it is with ASSAY_MOCK_URL"};
}

exit_code follow_to_end(const command_context& context, const run_flags& flags, run_session& session,
                        signals& caught) {
  switch (session.follow(context, caught)) {
  case session_end::finished:
    return finish(context, flags, session);
  case session_end::interrupted:
    return end_interrupted(context, session);
  case session_end::broken:
    break;
  }
  session.where().stop(stop_grace);
  return report(context, *session.reason());
}

} // namespace assay::cli
