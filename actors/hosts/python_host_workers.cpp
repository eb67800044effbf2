#include "actors/hosts/python_host_detail.hpp"
#include "actors/hosts/python_wire.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <ranges>
#include <vector>

namespace assay::python_host_detail {

namespace {

using steady_time = std::chrono::steady_clock::time_point;
using worker_place = std::map<uint64_t, worker>::iterator;

constexpr int answered = 200;
constexpr int refused = 400;
constexpr uint32_t most_crashes = 2; // of the workers that had one job

size_t count_in(const python_host_state& state, phase wanted) {
  return static_cast<size_t>(
      std::ranges::count(state.workers, wanted, [](const auto& one) { return one.second.now; }));
}

// -- starting and ending -----------------------------------------------------------------------------------

/// News of a worker travels as the outcome of a request: 200 with the value, 400 with the error, 0 for its
/// end.
void send_news(const caf::actor_addr& host, http_outcome news) {
  const auto strong = caf::actor_cast<python_host_actor>(host);
  if (!strong)
    return;
  io_completed message;
  message.outcomes.push_back(std::move(news));
  caf::anon_send(strong, std::move(message));
}

python_worker_handlers handlers_of(self_pointer self, uint64_t number) {
  const auto host = caf::actor_cast<caf::actor_addr>(python_host_actor{self});
  python_worker_handlers out;
  out.on_reply = [host, number](python_reply&& reply) {
    http_outcome news;
    news.id = number;
    news.status = reply.error ? refused : answered;
    news.body = std::move(reply.value);
    if (reply.error) {
      news.error = reply.error->code;
      news.error_message = std::move(reply.error->message);
      news.headers.emplace_back("hint", std::move(reply.error->hint));
    }
    send_news(host, std::move(news));
  };
  out.on_end = [host, number](std::string how) {
    http_outcome news;
    news.id = number;
    news.error_message = std::move(how);
    send_news(host, std::move(news));
  };
  return out;
}

/// @returns why no worker is started.
std::optional<fault> start(self_pointer self, const config_ptr& config,
                           const python_worker_purpose& purpose) {
  auto& state = self->state;
  const auto number = ++state.last_number;
  auto process = config->start_worker(purpose, handlers_of(self, number));
  if (!process)
    return process.error();
  worker made;
  made.process = std::move(*process);
  made.purpose = purpose;
  made.until = self->clock().now() + config->start_time;
  made.process->send(0, "hello", shared_text("{}"));
  state.workers.emplace(number, std::move(made));
  start_ticking(self, config);
  return std::nullopt;
}

void end(worker& which) {
  which.now = phase::ending;
  which.job = 0;
  which.process->kill();
}

/// Makes room for a worker of another purpose.
void end_longest_idle(python_host_state& state) {
  worker* longest = nullptr;
  for (auto& [number, one] : state.workers)
    if (one.now == phase::idle && (longest == nullptr || one.until < longest->until))
      longest = &one;
  if (longest != nullptr)
    end(*longest);
}

// -- crashes -----------------------------------------------------------------------------------------------

void fail_waiting(self_pointer self, const python_worker_purpose& purpose, const fault& reason,
                  replies& out) {
  auto& jobs = self->state.jobs;
  for (auto it = jobs.begin(); it != jobs.end();) {
    const auto here = it++;
    if (here->second.worker == 0 && purpose_of(here->second.job) == purpose)
      fail(self, here, reason, out);
  }
}

void note_crash(self_pointer self, const config_ptr& config, const python_worker_purpose& purpose,
                const std::string& how, bool at_start, replies& out) {
  auto& state = self->state;
  ++state.crashes;
  spdlog::warn("python worker ended folder=\"{}\" how=\"{}\"", purpose.folder, how);
  const auto now = self->clock().now();
  const auto [found, is_new] = state.troubles.try_emplace(purpose);
  auto& trouble = found->second;
  if (is_new)
    trouble.policy = restart_policy{config->limits};
  trouble.how = how;
  trouble.last_crash = now;
  if (const auto wait = trouble.policy.on_fall(now, state.chance.roll())) {
    trouble.start_after = now + *wait;
    return;
  }
  trouble.resting_until = now + config->limits.period;
  fail_waiting(self, purpose,
               at_start
                   ? fault{errc::unsupported, "Python workers do not start: " + how, "python",
                           "`assay doctor` says what is missing"}
                   : fault{errc::scorer_failed, "Python workers crash again and again, the last one: " + how,
                           "python", "correct the task's code"},
               out);
}

/// The job of a worker that crashed: once more with another worker, or an error.
void give_back(self_pointer self, uint64_t number, const std::string& how, replies& out) {
  auto& state = self->state;
  const auto found = state.jobs.find(number);
  if (found == state.jobs.end())
    return;
  auto& open = found->second;
  if (++open.crashes >= most_crashes) {
    // Its bytes left the line when it got its worker.
    return fail(self, found,
                {errc::scorer_failed, "the Python worker crashed twice with this work: " + how, "python",
                 "correct the task's code"},
                out);
  }
  open.worker = 0;
  state.waiting_bytes += open.job.arguments.size();
  state.line.push_front(number);
}

void crash(self_pointer self, const config_ptr& config, worker_place which, const std::string& how,
           replies& out) {
  auto gone = std::move(which->second);
  self->state.workers.erase(which);
  const bool at_start = gone.now == phase::starting;
  if (at_start)
    self->state.last_failure = "a Python worker did not start: " + how;
  if (gone.job != 0)
    give_back(self, gone.job, how, out);
  note_crash(self, config, gone.purpose, how, at_start, out);
}

// -- jobs --------------------------------------------------------------------------------------------------

void give(self_pointer self, const config_ptr& config, uint64_t number, worker_place to) {
  auto& state = self->state;
  auto& open = state.jobs.at(number);
  open.worker = to->first;
  state.waiting_bytes -= open.job.arguments.size();
  auto& chosen = to->second;
  chosen.now = phase::working;
  chosen.job = number;
  chosen.until = self->clock().now() + std::min(open.job.deadline, config->longest_job);
  chosen.process->send(number, open.job.operation,
                       open.job.arguments.empty() ? shared_text("{}") : open.job.arguments);
}

worker_place idle_worker(python_host_state& state, const python_worker_purpose& purpose) {
  return std::ranges::find_if(state.workers, [&](const auto& one) {
    return one.second.now == phase::idle && one.second.purpose == purpose;
  });
}

bool is_served(const python_host_state& state, const python_worker_purpose& purpose) {
  return std::ranges::any_of(state.workers, [&](const auto& one) {
    return one.second.purpose == purpose
           && (one.second.now == phase::idle || one.second.now == phase::starting);
  });
}

/// A job must not wait for ever behind others whose folder has the workers.
void make_room_for_first(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  if (state.line.empty() || state.workers.size() < config->workers || count_in(state, phase::ending) > 0)
    return;
  const auto& first = state.jobs.at(state.line.front());
  const bool overdue = self->clock().now() - first.since >= config->patience;
  if (overdue && !is_served(state, purpose_of(first.job)))
    end_longest_idle(state);
}

void give_to_idle(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  auto waiting = std::exchange(state.line, {});
  for (const auto number : waiting) {
    const auto found = idle_worker(state, purpose_of(state.jobs.at(number).job));
    if (found == state.workers.end())
      state.line.push_back(number);
    else
      give(self, config, number, found);
  }
}

bool may_start(const python_host_state& state, const python_worker_purpose& purpose, steady_time now) {
  const auto trouble = state.troubles.find(purpose);
  return trouble == state.troubles.end()
         || (trouble->second.start_after <= now
             && (!trouble->second.resting_until || *trouble->second.resting_until <= now));
}

/// Starts a worker for each job for which none starts already, as far as there is room.
void start_for_waiting(self_pointer self, const config_ptr& config, replies& out) {
  auto& state = self->state;
  std::map<python_worker_purpose, size_t> starting;
  for (const auto& [number, one] : state.workers)
    if (one.now == phase::starting)
      ++starting[one.purpose];
  size_t ending = count_in(state, phase::ending);
  const std::vector<uint64_t> waiting(state.line.begin(), state.line.end());
  for (const auto number : waiting) {
    const auto job = state.jobs.find(number);
    const auto purpose = purpose_of(job->second.job);
    if (auto& coming = starting[purpose]; coming > 0) {
      --coming;
    } else if (!may_start(state, purpose, self->clock().now())) {
      continue;
    } else if (state.workers.size() < config->workers) {
      auto reason = start(self, config, purpose);
      // What is only not ready yet is asked again with the next tick.
      if (reason && reason->code != errc::busy)
        fail(self, job, std::move(*reason), out);
    } else if (ending > 0) {
      --ending;
    } else if (count_in(state, phase::idle) > 0) {
      end_longest_idle(state);
    } else {
      return;
    }
  }
}

/// @returns what is wrong with a worker's first answer, or an empty text.
std::string wrong_hello(const http_outcome& reply) {
  if (reply.status != answered)
    return "its first answer is an error: " + reply.error_message;
  const auto value = nlohmann::json::parse(reply.body.view(), nullptr, false);
  if (!value.is_object() || !value.contains("protocol") || value["protocol"] != python_protocol)
    return "it speaks another version of the protocol; python/assay_worker and the program belong together";
  if (!value.contains("jinja2") || value["jinja2"].is_null())
    return "jinja2 is missing; install the package python3-jinja2";
  return {};
}

fault fault_of(const http_outcome& reply) {
  return {reply.error, reply.error_message, "python", std::string(find_header(reply.headers, "hint"))};
}

} // namespace

void pump(self_pointer self, const config_ptr& config, replies& out) {
  make_room_for_first(self, config);
  give_to_idle(self, config);
  start_for_waiting(self, config, out);
  if (!self->state.line.empty())
    start_ticking(self, config);
}

void on_reply(self_pointer self, const config_ptr& config, const http_outcome& reply, replies& out) {
  auto& state = self->state;
  const auto from = state.workers.find(reply.id);
  if (from == state.workers.end())
    return;
  auto& one = from->second;
  if (one.now == phase::starting) {
    if (const auto wrong = wrong_hello(reply); !wrong.empty())
      return crash(self, config, from, wrong, out);
    state.last_failure.clear();
  } else if (one.now == phase::working) {
    const auto job = state.jobs.find(std::exchange(one.job, 0));
    python_result outcome;
    if (reply.status == answered)
      outcome.value = reply.body;
    else
      outcome.error = fault_of(reply);
    if (job != state.jobs.end())
      finish(self, job, std::move(outcome), out);
  } else {
    return;
  }
  one.now = phase::idle;
  one.until = self->clock().now();
}

void on_end(self_pointer self, const config_ptr& config, const http_outcome& news, replies& out) {
  const auto which = self->state.workers.find(news.id);
  if (which == self->state.workers.end())
    return;
  if (which->second.now == phase::ending)
    self->state.workers.erase(which);
  else
    crash(self, config, which, news.error_message, out);
}

void check_workers(self_pointer self, const config_ptr& config, replies& out) {
  auto& state = self->state;
  const auto now = self->clock().now();
  for (auto it = state.workers.begin(); it != state.workers.end();) {
    const auto here = it++;
    auto& one = here->second;
    if (one.now == phase::starting && now >= one.until) {
      crash(self, config, here, "it did not answer within " + to_human(config->start_time), out);
    } else if (one.now == phase::working && now >= one.until) {
      const auto job = state.jobs.find(one.job);
      end(one);
      if (job != state.jobs.end())
        fail(self, job,
             {errc::deadline_exceeded,
              "the Python code was not done within "
                  + to_human(std::min(job->second.job.deadline, config->longest_job)),
              "python", "raise python.deadline, or look for an endless loop in the task's code"},
             out);
    } else if (one.now == phase::idle && now - one.until >= config->idle) {
      end(one);
    }
  }
  std::erase_if(state.troubles, [&](const auto& entry) {
    const auto& trouble = entry.second;
    return now - trouble.last_crash > config->limits.period
           && (!trouble.resting_until || *trouble.resting_until <= now);
  });
}

} // namespace assay::python_host_detail
