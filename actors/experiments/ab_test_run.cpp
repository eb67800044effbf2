#include "actors/experiments/ab_test_detail.hpp"
#include "protocol/errors.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

// Tests that run by themselves: one evaluation for each variant, over the same samples.
namespace assay::ab_test_detail {

namespace {

/// Admission reads datasets.
constexpr std::chrono::seconds submission_timeout{60};
constexpr std::chrono::seconds verb_timeout{5};

bool is_passing(const fault& reason) {
  return reason.code == errc::busy || reason.code == errc::rate_limited || reason.code == errc::actor_lost
         || reason.code == errc::deadline_exceeded || reason.code == errc::shutting_down;
}

/// The same again after a restart, so that a run is never submitted twice.
std::string idempotency_key(const experiments::ab_record& record, size_t variant) {
  return "ab-test." + observations_prefix(record) + record.test.variants[variant].name;
}

// -- beginning ---------------------------------------------------------------------------------------------

/// What is asked of the run supervisor one after the other before anything starts.
struct check {
  json wish;
  promise who;
  experiments::ab_run run;
};

void begin_runs(self_pointer self, const context_ptr& with, check& one) {
  auto& record = self->state.record;
  self->state.checking = false;
  if (is_final(record.state) || record.state == ab_state::paused || record.run)
    return refuse(one.who, {errc::conflict, "the test was changed meanwhile", {}, "look at it again"});
  if (auto started = experiments::start(record, with->config.wall()); !started)
    return refuse(one.who, started.error());
  record.run = std::move(one.run);
  start_ticking(self, with);
  write(self, with, {}, std::move(one.who), {text_of(to_json(record)), record.version});
  go_on_with_runs(self, with);
}

/// A plan of each variant's run: nothing is started while one of them is wrong.
void check_next(self_pointer self, const context_ptr& with, const std::shared_ptr<check>& one) {
  const auto& record = self->state.record;
  const auto variant = one->run.arms.size();
  if (variant == record.test.variants.size())
    return begin_runs(self, with, *one);
  const auto stop = [self, one](const fault& reason) {
    self->state.checking = false;
    refuse(one->who, reason);
  };
  auto request = experiments::request_of_variant(record.test, variant, one->wish);
  if (!request)
    return stop(request.error());
  request->dry_run = true;
  self->request(with->config.runs, submission_timeout,
                submit_run{std::move(*request), record.owner, {}, one->run.api_key, one->run.key_budget})
      .then(
          [self, with, one, stop](const run_submitted& plan) {
            experiments::ab_arm arm;
            arm.planned = plan.record.progress.total;
            const auto& test = self->state.record.test;
            if (!one->run.arms.empty() && one->run.arms.front().planned != arm.planned)
              return stop({errc::invalid_argument, "the variants would see different numbers of samples",
                           "variants", "give the tasks and their limit beside the variants"});
            if (arm.planned * test.variants.size() > experiments::most_observations)
              return stop({errc::too_large,
                           "the test takes " + std::to_string(experiments::most_observations)
                               + " observations in all",
                           "limit", "ask fewer samples"});
            one->run.arms.push_back(arm);
            check_next(self, with, one);
          },
          [self, stop](const caf::error& reason) { stop(to_fault(reason)); });
}

// -- submitting --------------------------------------------------------------------------------------------

void on_submitted(self_pointer self, const context_ptr& with, size_t variant, const run_record& made) {
  auto& record = self->state.record;
  auto& arm = record.run->arms[variant];
  arm.run = made.spec.id;
  arm.planned = made.progress.total;
  if (is_final(record.state) || record.state == ab_state::paused) {
    // It ended while its run was on its way.
    command_runs(self, with, is_final(record.state) ? run_verb::cancel : run_verb::pause);
    if (is_final(record.state))
      return;
  }
  write(self, with, {}, promise{}, {});
  go_on_with_runs(self, with);
}

void submit(self_pointer self, const context_ptr& with, size_t variant) {
  auto& state = self->state;
  auto request = experiments::request_of_variant(state.record.test, variant,
                                                 json::parse(state.record.run->wish, nullptr, false));
  if (!request) {
    complete(self, with, "it cannot run: " + to_string(request.error()));
    return write(self, with, {}, promise{}, {});
  }
  state.submitting = true;
  self->request(with->config.runs, submission_timeout,
                submit_run{std::move(*request), state.record.owner, idempotency_key(state.record, variant),
                           state.record.run->api_key, state.record.run->key_budget})
      .then(
          [self, with, variant](const run_submitted& made) {
            self->state.submitting = false;
            on_submitted(self, with, variant, made.record);
          },
          [self, with](const caf::error& reason) {
            self->state.submitting = false;
            const auto why = to_fault(reason);
            // The next tick tries again; the key keeps it from becoming two.
            if (is_passing(why) || is_final(self->state.record.state))
              return;
            complete(self, with, "it cannot run: " + to_string(why));
            write(self, with, {}, promise{}, {});
          });
}

// -- observing ---------------------------------------------------------------------------------------------

void look(self_pointer self, const context_ptr& with, size_t variant) {
  auto& state = self->state;
  const auto& arm = state.record.run->arms[variant];
  if (!with->config.workers || !with->config.read.run_news || !state.reading.insert(variant).second)
    return;
  const auto job = [target = ab_test_actor{self}, read = with->config.read.run_news, test = state.record.test,
                    variant, run = arm.run,
                    after = arm.last_seq] { caf::anon_send(target, read(test, variant, run, after)); };
  // The next tick tries again.
  if (!with->config.workers->submit(job))
    state.reading.erase(variant);
}

/// @returns the row to store, or nothing when the sample says nothing new.
std::optional<document_change> observe_row(ab_test_state& state, const std::string& row) {
  auto& record = state.record;
  const auto one = experiments::observation_from_json(record.test, json::parse(row, nullptr, false));
  if (!one) {
    spdlog::warn("a sample is no observation test={} reason=\"{}\"", record.test.id, to_string(one.error()));
    return std::nullopt;
  }
  // A sample that was asked again counts as it was the first time.
  if (!state.tally->check(*one) || !state.tally->add(*one))
    return std::nullopt;
  auto& arm = record.run->arms[one->variant];
  ++arm.observed;
  if (one->cost) {
    arm.cost += *one->cost;
    ++arm.costed;
  }
  return document_change{"ab_observations", observation_key(record, record.observations++),
                         text_of(experiments::to_json(record.test, *one)), false, std::nullopt};
}

} // namespace

void run_by_itself(self_pointer self, const context_ptr& with, const ask_ab_test& wish, promise who) {
  auto& state = self->state;
  const auto& record = state.record;
  if (!with->config.runs)
    return refuse(who, {errc::unsupported, "this farm has no runs", {}, {}});
  if (record.run || state.checking)
    return refuse(who, {errc::conflict,
                        "the test '" + record.test.id + "' runs by itself already",
                        {},
                        "create another test"});
  if (record.state == ab_state::paused || is_final(record.state))
    return refuse(who, not_running(record, "evaluation"));
  if (record.observations > 0)
    return refuse(who, {errc::conflict, "the test has observations of others", {}, "create another test"});
  const auto one = std::make_shared<check>();
  one->wish = json::parse(wish.body, nullptr, false);
  one->who = std::move(who);
  one->run.wish = wish.body;
  one->run.api_key = wish.api_key;
  one->run.key_budget = wish.key_budget;
  state.checking = true;
  check_next(self, with, one);
}

void go_on_with_runs(self_pointer self, const context_ptr& with) {
  auto& state = self->state;
  if (!state.record.run || state.record.state != ab_state::running || !with->config.runs)
    return;
  // Only when all are there: the first must not run far ahead of the others.
  for (size_t i = 0; i < state.record.run->arms.size(); ++i) {
    if (!state.record.run->arms[i].run.empty())
      continue;
    if (!state.submitting)
      submit(self, with, i);
    return;
  }
  for (size_t i = 0; i < state.record.run->arms.size(); ++i)
    if (!state.record.run->arms[i].done)
      look(self, with, i);
}

void take_run_news(self_pointer self, const context_ptr& with, const ab_run_news& news) {
  auto& state = self->state;
  auto& record = state.record;
  state.reading.erase(news.variant);
  // What came while it is paused is read again when it goes on.
  if (!record.run || record.state != ab_state::running)
    return;
  if (news.error) {
    spdlog::warn("an A/B test's run cannot be read test={} reason=\"{}\"", record.test.id,
                 to_string(*news.error));
    return;
  }
  auto& arm = record.run->arms.at(news.variant);
  if (news.last_seq == arm.last_seq && !news.ended)
    return;
  std::vector<document_change> rows;
  for (const auto& row : news.rows)
    if (auto change = observe_row(state, row))
      rows.push_back(std::move(*change));
  arm.last_seq = news.last_seq;
  arm.done = news.ended;
  if (!rows.empty())
    end_if_decided(self, with, state.tally->verdict(false));
  if (!is_final(record.state) && record.run->is_done())
    complete(self, with, "all its samples have been asked");
  write(self, with, std::move(rows), promise{}, {});
  if (news.more && !is_final(record.state))
    look(self, with, news.variant);
}

void command_runs(self_pointer self, const context_ptr& with, run_verb verb) {
  const auto& record = self->state.record;
  if (!record.run || !with->config.runs)
    return;
  for (const auto& arm : record.run->arms) {
    if (arm.run.empty() || arm.done)
      continue;
    self->request(with->config.runs, verb_timeout, command_run{arm.run, verb})
        .then([](const run_record&) {},
              [id = arm.run](const caf::error& reason) {
                spdlog::info("a run of an A/B test does not follow run={} reason=\"{}\"", to_string(id),
                             to_fault(reason).message);
              });
  }
}

} // namespace assay::ab_test_detail
