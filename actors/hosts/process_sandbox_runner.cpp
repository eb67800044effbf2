#include "actors/hosts/process_sandbox_runner.hpp"

#include <map>
#include <mutex>
#include <utility>

namespace assay {

namespace {

class process_sandbox_runner final : public sandbox_runner {
public:
  process_sandbox_runner(io::io_runtime& runtime, io::sandbox_options options, sandbox_runner_sink deliver)
      : runtime_(runtime), options_(std::move(options)), shared_(std::make_shared<shared>()) {
    shared_->deliver = std::move(deliver);
  }

  ~process_sandbox_runner() override {
    std::map<uint64_t, std::shared_ptr<io::sandbox_run>> running;
    {
      const std::lock_guard lock(shared_->mutex);
      shared_->deliver = {};
      running.swap(shared_->running);
    }
  }

  process_sandbox_runner(const process_sandbox_runner&) = delete;
  process_sandbox_runner& operator=(const process_sandbox_runner&) = delete;

  void start(const sandbox_job& job, uint32_t slot) override {
    // Locked, so that the end of the job finds it in the map.
    const std::lock_guard lock(shared_->mutex);
    shared_->running[job.id] =
        io::run_in_sandbox(runtime_, options_, job, slot,
                           [held = shared_](sandbox_result result) { held->end(std::move(result)); });
  }

  void kill(uint64_t ticket) override {
    const std::lock_guard lock(shared_->mutex);
    if (const auto found = shared_->running.find(ticket); found != shared_->running.end())
      found->second->withdraw();
  }

  sandbox_job examination() const override { return io::look_around(); }

  findings read_examination(const sandbox_result& result) const override {
    auto found = io::findings_from(result);
    findings out;
    out.available = found.available;
    out.reason = std::move(found.reason);
    out.limits = std::move(found.limits);
    return out;
  }

private:
  struct shared {
    std::mutex mutex; // guards all of it
    sandbox_runner_sink deliver;
    std::map<uint64_t, std::shared_ptr<io::sandbox_run>> running;

    void end(sandbox_result result) {
      sandbox_runner_sink to;
      {
        const std::lock_guard lock(mutex);
        running.erase(result.id);
        to = deliver;
      }
      if (to)
        to(std::move(result));
    }
  };

  io::io_runtime& runtime_;
  io::sandbox_options options_;
  std::shared_ptr<shared> shared_;
};

} // namespace

sandbox_runner_factory make_process_sandbox_runner(io::io_runtime& runtime, io::sandbox_options options) {
  return [&runtime, options = std::move(options)](sandbox_runner_sink deliver) {
    return std::make_unique<process_sandbox_runner>(runtime, options, std::move(deliver));
  };
}

} // namespace assay
