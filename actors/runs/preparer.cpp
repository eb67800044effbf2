#include "actors/runs/preparer.hpp"

#include <utility>

namespace assay {

namespace {

using self_pointer = preparer_actor::stateful_pointer<preparer_state>;

/// What a preparer works with besides its state.
struct surroundings {
  preparer_config config;
  run_supervisor_actor supervisor;
};

using surroundings_ptr = std::shared_ptr<const surroundings>;

void end(self_pointer self, const surroundings& around, std::optional<fault> error) {
  if (self->state.job != 0 && around.config.python)
    self->send(around.config.python, withdraw_python_jobs{{self->state.job}});
  self->send(around.supervisor, preparation_ended{around.config.ticket, std::move(error)});
  self->quit();
}

/// Has a worker take @p answer and find what is to be done next.
void advance(self_pointer self, const surroundings& around, std::optional<shared_text> answer) {
  const auto job = [work = self->state.work, answer = std::move(answer), target = preparer_actor{self}] {
    caf::anon_send(target, work->advance(answer));
  };
  if (!around.config.workers->submit(job))
    end(self, around,
        fault{errc::busy, "the farm is preparing as many runs as it can", {}, "try again in a few seconds"});
}

void on_step(self_pointer self, const surroundings& around, preparation_step& step) {
  if (step.error || step.operation.empty())
    return end(self, around, std::move(step.error));
  if (!around.config.python)
    return end(self, around,
               fault{errc::unsupported,
                     "this task's prompts are made by Python, and the farm has no Python host", "task_ids",
                     "see `assay doctor`"});
  python_job job;
  job.id = self->state.job = ++self->state.jobs;
  job.operation = std::move(step.operation);
  job.arguments = std::move(step.arguments);
  job.folder = std::move(step.folder);
  job.deadline = around.config.job_deadline;
  run_python wish;
  wish.jobs.push_back(std::move(job));
  wish.sink = caf::actor_cast<python_sink_actor>(preparer_actor{self});
  self->send(around.config.python, std::move(wish));
}

void on_results(self_pointer self, const surroundings& around, python_results& news) {
  for (auto& result : news.results) {
    if (result.id != self->state.job || result.id == 0)
      continue;
    self->state.job = 0;
    if (result.error)
      return end(self, around, std::move(result.error));
    return advance(self, around, std::move(result.value));
  }
}

} // namespace

result<std::optional<tasks::preparation_request>>
preparation_work::next(const std::optional<shared_text>& answer) {
  if (!found_) {
    auto wanted = find_(request_);
    if (!wanted)
      return wanted.error();
    left_ = std::move(*wanted);
    found_ = true;
  }
  if (answer && steps_)
    if (auto taken = steps_->take(answer->view()); !taken)
      return taken.error();
  while (!left_.empty()) {
    if (!steps_) {
      auto begun = tasks::begin_preparation(left_.back());
      if (!begun)
        return begun.error();
      steps_ = std::move(*begun);
    }
    auto step = steps_->next();
    if (!step || *step)
      return step;
    steps_.reset();
    left_.pop_back();
  }
  return std::optional<tasks::preparation_request>{};
}

preparation_step preparation_work::advance(const std::optional<shared_text>& answer) {
  preparation_step out;
  auto step = next(answer);
  if (!step) {
    // Whatever was begun is given up, and its files go.
    steps_.reset();
    out.error = step.error();
  } else if (*step) {
    out.operation = std::move((*step)->operation);
    out.arguments = shared_text{(*step)->arguments};
    out.folder = tasks::python_folder(*left_.back().task);
  }
  return out;
}

preparer_actor::behavior_type preparer(self_pointer self, preparer_config config,
                                       run_supervisor_actor supervisor) {
  const auto around =
      std::make_shared<const surroundings>(surroundings{std::move(config), std::move(supervisor)});
  self->state.work = std::make_shared<preparation_work>(around->config.request, around->config.find);
  if (around->config.python) {
    self->monitor(around->config.python);
    self->set_down_handler([self, around](const caf::down_msg&) {
      self->state.job = 0;
      end(self, *around,
          fault{errc::actor_lost, "the Python host ended while it prepared a task", "task_ids",
                "submit again"});
    });
  }
  self->delayed_send(self, around->config.deadline, tick{});
  advance(self, *around, std::nullopt);
  return {
      [self, around](preparation_step& step) { on_step(self, *around, step); },
      [self, around](python_results& news) { on_results(self, *around, news); },
      [self, around](const tick&) {
        end(self, *around,
            fault{errc::deadline_exceeded, "the preparation of the run's tasks took too long", "task_ids",
                  "lower the limit, or submit again when the farm has less to do"});
      },
  };
}

} // namespace assay
