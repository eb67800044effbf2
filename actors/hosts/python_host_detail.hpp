#pragma once

#include "actors/hosts/python_host.hpp"

#include <memory>
#include <utility>

/// What the source files of the Python host share.
namespace assay::python_host_detail {

using self_pointer = python_host_actor::stateful_pointer<python_host_state>;
using config_ptr = std::shared_ptr<const python_host_config>;
using open_job = python_host_state::open_job;
using worker = python_host_state::worker;
using phase = python_host_state::phase;

/// Answers on their way back, one message for each sink.
class replies {
public:
  void add(const python_sink_actor& sink, python_result&& outcome) {
    auto& entry = by_sink_[sink.address()];
    entry.first = sink;
    entry.second.results.push_back(std::move(outcome));
  }
  void send(self_pointer self) {
    for (auto& [address, entry] : by_sink_)
      self->send(entry.first, std::move(entry.second));
    by_sink_.clear();
  }

private:
  std::map<caf::actor_addr, std::pair<python_sink_actor, python_results>> by_sink_;
};

inline python_worker_purpose purpose_of(const python_job& job) { return {job.folder, job.uploaded}; }

void start_ticking(self_pointer self, const config_ptr& config);

/// Answers and forgets a job, which must not be with a worker any more.
void finish(self_pointer self, std::map<uint64_t, open_job>::iterator which, python_result&& outcome,
            replies& out);
void fail(self_pointer self, std::map<uint64_t, open_job>::iterator which, fault reason, replies& out);
/// Forgets a job that nobody waits for. @returns the next one.
std::map<uint64_t, open_job>::iterator withdraw(self_pointer self,
                                                std::map<uint64_t, open_job>::iterator which);

/// Gives waiting jobs to idle workers and starts workers for the others.
void pump(self_pointer self, const config_ptr& config, replies& out);
/// A worker answered.
void on_reply(self_pointer self, const config_ptr& config, const http_outcome& reply, replies& out);
/// A worker's process has ended.
void on_end(self_pointer self, const config_ptr& config, const http_outcome& news, replies& out);
/// Ends what is overdue and what is idle for too long.
void check_workers(self_pointer self, const config_ptr& config, replies& out);

} // namespace assay::python_host_detail
