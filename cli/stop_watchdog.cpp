#include "cli/stop_watchdog.hpp"

#include <spdlog/spdlog.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <utility>

namespace assay::cli {

void stop_watchdog::arm(milliseconds patience, std::function<std::string()> who_lives,
                        std::function<void(const std::string&)> give_up) {
  watch_ = std::jthread(
      [patience, who = std::move(who_lives), end = std::move(give_up)](const std::stop_token& stop) {
        std::mutex mutex;
        std::condition_variable_any ended;
        std::unique_lock lock{mutex};
        ended.wait_for(lock, stop, patience, [] { return false; });
        if (!stop.stop_requested())
          end(who());
      });
}

void abort_with(const std::string& who_lives) {
  spdlog::critical("farm does not end; still there: {}; every answer that was kept is on the disk",
                   who_lives);
  spdlog::shutdown();
  std::abort();
}

} // namespace assay::cli
