#include "cli/run_session.hpp"

#include "actors/runs/store_run_worker.hpp"
#include "actors/runs/verb_words.hpp"
#include "cli/earlier_runs.hpp"
#include "cli/load_settings.hpp"
#include "cli/run_listener.hpp"
#include "storage/snapshot.hpp"
#include "storage/writer.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iterator>
#include <set>
#include <thread>

namespace assay::cli {

namespace {

constexpr milliseconds usual_nap{200};
/// After news, the run's record follows within moments.
constexpr milliseconds short_nap{10};
constexpr int short_naps = 20;
constexpr milliseconds drain_grace{30'000};
/// Refreshes in a row that may fail while a part of the farm restarts; about 20 s.
constexpr int most_misses = 100;

bool is_asked_by(const run_record& run, const std::vector<wished_run>& wished) {
  return std::any_of(wished.begin(), wished.end(), [&](const wished_run& one) {
    return asks_same(run, one) || asks_same_of_other_files(run, one);
  });
}

std::vector<wished_run> wishes_of(const run_plan& plan) {
  std::vector<wished_run> out;
  for (const auto& planned : plan.runs)
    out.push_back({planned.admitted.record.spec, planned.request.random_seed.has_value()});
  return out;
}

/// Unfinished runs that the command began with other files. Where only a task reads differently, somebody has
/// written it anew and wants to see it; other rows are paid for again, which nobody should find out later.
result<void> tell_of_changes(const command_context& context, const earlier_runs& earlier,
                             const earlier_match& match, const std::vector<wished_run>& wished) {
  for (const auto& run : earlier.unfinished)
    for (size_t i = 0; i < wished.size(); ++i) {
      if (match.goes_on[i] || !asks_same_of_other_files(run, wished[i]))
        continue;
      const auto change = describe_change(run, wished[i]);
      const auto id = to_string(run.spec.id);
      if (!change.path.empty())
        return fault{
            errc::dataset_changed, "this command began " + id + ", and " + change.what, change.path,
            "restore the file to go on with what is paid for; --fresh cancels that run and starts anew"};
      remark(context, "note: this command began " + id + ", and " + change.what
                          + ": that run stays unfinished, and another one begins");
    }
  return {};
}

void tell_of_others(const command_context& context, size_t others) {
  if (others == 1)
    remark(context, "note: another unfinished run stays as it is; `assay runs` names it, and its command, "
                    "`assay resume ID` or `assay serve` goes on with it");
  else if (others > 1)
    remark(context, "note: " + show_count(others)
                        + " other unfinished runs stay as they are; `assay runs` names them, and their "
                          "commands, `assay resume ID` or `assay serve` go on with them");
}

/// Samples that are scored or failed for good; the record's own count is only written now and then.
uint64_t count_done(const std::shared_ptr<storage::store>& from, run_id run) {
  uint64_t done = 0;
  const auto walked = storage::scan_done(from, run, storage::generation_rule::latest,
                                         [&](const sample_address&, sample_status status) {
                                           done += status == sample_status::answered ? 0 : 1;
                                         });
  return walked ? done : 0;
}

void log_beginning(const run_record& run) {
  const auto& spec = run.spec;
  spdlog::info("run begins run={} model={} provider={} samples={}", to_string(spec.id), spec.model.value,
               spec.provider.value, run.progress.total);
  for (const auto& task : spec.tasks)
    spdlog::debug("run asks task={} samples={} dataset=\"{}\" generation={}", task.id.value,
                  task.sample_count, task.dataset_path, nlohmann::json(task.generation).dump());
}

bool is_final_in_store(const std::shared_ptr<storage::store>& from, run_id run) {
  auto view = storage::snapshot::open(from);
  if (!view)
    return false;
  const auto found = view->find_run(run);
  return found && *found && is_final((*found)->state);
}

bool is_store_fault(const std::optional<fault>& reason) {
  return reason && (reason->code == errc::store_full || reason->code == errc::store_failed);
}

} // namespace

result<void> cancel_in_store(const config::settings& settings, std::vector<run_record> runs) {
  auto store = storage::store::open(store_options_of(settings));
  if (!store)
    return store.error();
  std::optional<fault> failed;
  auto writer = storage::writer::start(*store, {}, [&](storage::commit_report&& done) {
    for (const auto& ticket : done.tickets)
      if (ticket.error && !failed)
        failed = ticket.error;
  });
  if (!writer)
    return writer.error();
  storage::write_batch batch;
  for (auto& run : runs) {
    run.state = run_state::cancelled;
    run.finished_at = wall_now();
    batch.events.push_back({run.spec.id, 0, event_type::evaluation_cancelled, *run.finished_at,
                            shared_text{run_status_json(run).dump()}});
    batch.runs.push_back(std::move(run));
  }
  if (auto taken = (*writer)->submit(std::move(batch)); !taken)
    return taken.error();
  (*writer)->stop();
  if (failed)
    return *failed;
  return {};
}

run_session::~run_session() = default;

result<std::unique_ptr<run_session>> run_session::start(const command_context& context, const run_plan& plan,
                                                        bool fresh) {
  const auto wished = wishes_of(plan);
  auto earlier = read_earlier_runs(*plan.settings, wished);
  if (!earlier)
    return earlier.error();
  if (fresh) {
    std::vector<run_record> unwanted;
    std::copy_if(earlier->unfinished.begin(), earlier->unfinished.end(), std::back_inserter(unwanted),
                 [&](const run_record& run) { return is_asked_by(run, wished); });
    std::erase_if(earlier->unfinished, [&](const run_record& run) { return is_asked_by(run, wished); });
    if (!unwanted.empty())
      if (auto cancelled = cancel_in_store(*plan.settings, std::move(unwanted)); !cancelled)
        return cancelled.error();
  }
  const auto match = match_earlier(*earlier, wished);
  if (auto same = tell_of_changes(context, *earlier, match, wished); !same)
    return same.error();
  std::set<run_id> going_on;
  for (const auto& run : match.goes_on)
    if (run)
      going_on.insert(run->spec.id);
  tell_of_others(context, earlier->unfinished.size() - going_on.size());

  std::unique_ptr<run_session> out(new run_session());
  auto started = farm::start({plan.settings, plan.tasks, nullptr,
                              [going_on](const run_record& run) { return going_on.contains(run.spec.id); }});
  if (!started) {
    auto reason = started.error();
    if (reason.code == errc::store_locked)
      reason.hint = "send the evaluation to that farm's API, stop it, or name another folder with --data-dir";
    return reason;
  }
  out->farm_ = std::move(*started);
  for (size_t i = 0; i < plan.runs.size(); ++i) {
    auto line = match.taken[i]     ? out->take(context, *match.taken[i])
                : match.goes_on[i] ? out->take_up(context, *match.goes_on[i])
                                   : out->submit(plan.runs[i]);
    if (!line)
      return line.error();
    out->resume_.push_back(match.goes_on[i] && line->record.state == run_state::paused);
    out->runs_.push_back(std::move(*line));
  }
  return out;
}

result<progress_line> run_session::take(const command_context& context, const run_record& run) const {
  const auto label = model_label(run.spec);
  remark(context, label + ": " + to_string(run.spec.id) + " completed at " + show_time(*run.finished_at)
                      + " UTC and is taken as it is; --fresh asks again");
  return progress_line{label, run};
}

result<progress_line> run_session::take_up(const command_context& context, const run_record& run) const {
  progress_line line{model_label(run.spec), run};
  line.record.progress.done = count_done(farm_->store(), run.spec.id);
  remark(context, "going on with " + to_string(run.spec.id) + ": " + show_count(line.record.progress.done)
                      + " of " + show_count(run.progress.total) + " samples are done");
  log_beginning(line.record);
  return line;
}

result<progress_line> run_session::submit(const planned_run& planned) {
  auto submitted = farm_->submit({planned.request, command_line_user(), {}});
  if (!submitted)
    return submitted.error();
  progress_line line{model_label(submitted->record.spec), std::move(submitted->record)};
  log_beginning(line.record);
  return line;
}

result<std::unique_ptr<run_session>> run_session::go_on(std::shared_ptr<const config::settings> settings,
                                                        std::shared_ptr<const tasks::task_catalogue> tasks,
                                                        const run_record& run, run_verb verb,
                                                        std::optional<money> max_cost) {
  const auto id = run.spec.id;
  const bool is_over = is_final(run.state);
  if (verb == run_verb::resume && ran_out_of_time(run))
    verb = run_verb::retry;
  if (is_over != (verb == run_verb::retry))
    return fault{errc::invalid_transition, "the run is " + std::string(to_string(run.state)), to_string(id),
                 is_over ? "`assay retry` asks the failed samples of a run that has ended again"
                         : "`assay resume` goes on with a run that has not ended"};
  // Found out by the farm, it would end the run.
  if (auto wrong = check_pinned_files(run.spec))
    return *wrong;
  std::unique_ptr<run_session> out(new run_session());
  auto started = farm::start({std::move(settings), std::move(tasks), nullptr,
                              [id](const run_record& one) { return one.spec.id == id; }});
  if (!started)
    return started.error();
  out->farm_ = std::move(*started);
  progress_line line{model_label(run.spec), run};
  if (verb == run_verb::retry) {
    auto changed = out->farm_->command(id, verb, max_cost);
    if (!changed)
      return changed.error();
    line.record = std::move(*changed);
  }
  line.record.progress.done = count_done(out->farm_->store(), id);
  out->resume_.push_back(line.record.state == run_state::paused);
  out->runs_.push_back(std::move(line));
  return out;
}

bool run_session::refresh() {
  bool heard = true;
  for (size_t i = 0; i < runs_.size(); ++i) {
    auto& run = runs_[i];
    if (is_final(run.record.state))
      continue;
    auto found = farm_->find(run.record.spec.id);
    if (!found) {
      heard = false;
      continue;
    }
    // The farm may announce an end a moment before it is on the disk, where the result is read from.
    if (is_final(found->state) && !is_final_in_store(farm_->store(), run.record.spec.id))
      continue;
    run.record = std::move(*found);
    // A run whose state cannot be stored is shown in the one before: only its error tells.
    if (!is_final(run.record.state) && is_store_fault(run.record.error))
      reason_ = run.record.error;
    // Refused until the farm has taken the run up again; asked anew at the next refresh.
    else if (resume_[i] && run.record.state == run_state::paused)
      resume_[i] = !farm_->command(run.record.spec.id, run_verb::resume).has_value();
  }
  return heard;
}

void run_session::come_to_rest(const command_context& context, signals& caught) {
  uint64_t in_flight = 0;
  for (const auto& run : runs_)
    in_flight += is_final(run.record.state) ? 0 : run.record.progress.in_flight;
  remark(context, "stopping: up to " + show_count(in_flight)
                      + " calls on the wire may finish; Ctrl-C again stops at once");
  std::atomic<bool> rested = false;
  std::thread stopper([&] {
    farm_->stop(drain_grace);
    rested = true;
    caught.wake();
  });
  while (!rested) {
    const auto again = caught.wait(usual_nap);
    if (again && *again != SIGHUP) {
      context.err->line(
          "stopped at once: the answers so far are kept, calls in flight are asked again next time");
      // Every answer that was kept is on the disk; what was in flight is asked again next time.
      std::_Exit(static_cast<int>(signal_ == SIGINT ? exit_code::interrupted : exit_code::ended_early));
    }
  }
  stopper.join();
  for (auto& run : runs_)
    run.record.progress.done =
        std::max(run.record.progress.done, count_done(farm_->store(), run.record.spec.id));
}

session_end run_session::follow(const command_context& context, signals& caught) {
  std::atomic<bool> news = false;
  auto listener = std::make_unique<run_listener>(*farm_, [&] {
    news = true;
    caught.wake();
  });
  for (const auto& run : runs_)
    if (!is_final(run.record.state))
      listener->listen(run.record.spec.id);
  progress shown(context.err, context.flags.quiet);
  int hurry = 0;
  int misses = 0;
  while (true) {
    misses = refresh() ? 0 : misses + 1;
    shown.show(runs_);
    if (look_)
      look_(runs_);
    if (std::all_of(runs_.begin(), runs_.end(), [](const auto& run) { return is_final(run.record.state); }))
      return session_end::finished;
    if (!reason_)
      reason_ = farm_->store()->write_fault();
    if (!reason_)
      reason_ = farm_->failure();
    if (!reason_ && misses > most_misses)
      reason_ = fault{errc::actor_lost, "the farm does not answer any more", {}, "see the log"};
    if (reason_) {
      shown.end();
      return session_end::broken;
    }
    const auto signal = caught.wait(hurry > 0 ? short_nap : usual_nap);
    hurry = news.exchange(false) ? short_naps : std::max(0, hurry - 1);
    if (!signal)
      continue;
    signal_ = *signal;
    shown.end();
    listener.reset();
    come_to_rest(context, caught);
    return session_end::interrupted;
  }
}

} // namespace assay::cli
