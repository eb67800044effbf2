#include "cli/logging.hpp"

#include "cli/log_fields.hpp"

#include <fcntl.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

namespace assay::cli {

namespace {

/// Writes above the progress instead of through it.
class console_sink final : public spdlog::sinks::base_sink<std::mutex> {
public:
  explicit console_sink(std::shared_ptr<console> out) : out_(std::move(out)) {}

protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t text;
    formatter_->format(message, text);
    std::string_view line(text.data(), text.size());
    while (line.ends_with('\n') || line.ends_with('\r'))
      line.remove_suffix(1);
    out_->line(line);
  }
  void flush_() override {}

private:
  const std::shared_ptr<console> out_;
};

constexpr const char* text_pattern = "%Y-%m-%dT%H:%M:%S.%eZ %-8l %v";

/// Puts each message into a JSON object, one a line.
class json_formatter final : public spdlog::formatter {
public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    spdlog::memory_buf_t time;
    time_.format(message, time);
    const auto level = spdlog::level::to_string_view(message.level);
    const auto line = log_line_json({time.data(), time.size()}, {level.data(), level.size()},
                                    {message.payload.data(), message.payload.size()})
                      + "\n";
    out.append(line.data(), line.data() + line.size());
  }

  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<json_formatter>(); }

private:
  spdlog::pattern_formatter time_{"%Y-%m-%dT%H:%M:%S.%eZ", spdlog::pattern_time_type::utc, ""};
};

/// Logs name users, addresses and paths: a new file is its owner's alone. One that is there keeps its mode.
spdlog::file_event_handlers only_for_the_owner() {
  spdlog::file_event_handlers out;
  out.before_open = [](const spdlog::filename_t& file) {
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    // What is wrong shows itself when the log opens the file.
    if (fd >= 0)
      ::close(fd);
  };
  return out;
}

spdlog::level::level_enum level_of(const command_context& context, const config::settings& settings,
                                   const std::string& least) {
  if (context.flags.quiet)
    return spdlog::level::err;
  if (context.flags.verbose > 1)
    return spdlog::level::debug;
  if (context.flags.verbose == 1)
    return spdlog::level::info;
  const bool to_console = settings.logging.file.empty();
  const bool asked_for_more = settings.debug && settings.logging.level == "debug";
  const bool is_least = to_console && !least.empty() && !asked_for_more;
  return spdlog::level::from_str(is_least ? least : settings.logging.level);
}

/// The one logger, made at its first use. What logs keeps it, so a reload changes what is behind it.
std::shared_ptr<spdlog::logger> the_logger() {
  constexpr const char* name = "assay";
  auto known = spdlog::default_logger();
  if (known && known->name() == name)
    return known;
  auto made = std::make_shared<spdlog::logger>(name, std::make_shared<spdlog::sinks::dist_sink_mt>());
  made->flush_on(spdlog::level::warn);
  spdlog::set_default_logger(made);
  return made;
}

} // namespace

result<void> start_logging(const command_context& context, const config::settings& settings,
                           const std::string& least) {
  const auto& logging = settings.logging;
  spdlog::sink_ptr sink;
  if (logging.file.empty()) {
    sink = std::make_shared<console_sink>(context.err);
  } else {
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(logging.file).parent_path(), ignored);
    try {
      sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(
          logging.file, logging.rotate_size, logging.rotate_count, false, only_for_the_owner());
    } catch (const spdlog::spdlog_ex& error) {
      return fault{errc::malformed_input, std::string("the log file cannot be opened: ") + error.what(),
                   "logging.file", "choose a file in a folder that can be written"};
    }
  }
  if (logging.json)
    sink->set_formatter(std::make_unique<json_formatter>());
  else
    sink->set_formatter(
        std::make_unique<spdlog::pattern_formatter>(text_pattern, spdlog::pattern_time_type::utc));
  const auto logger = the_logger();
  dynamic_cast<spdlog::sinks::dist_sink_mt&>(*logger->sinks().front()).set_sinks({std::move(sink)});
  logger->set_level(level_of(context, settings, least));
  if (!logging.file.empty())
    spdlog::flush_every(std::chrono::seconds{1});
  return {};
}

void announce(const command_context& context, const config::settings& settings, announcement kind,
              const std::string& text) {
  const auto level = kind == announcement::warning ? spdlog::level::warn : spdlog::level::info;
  spdlog::log(level, "{}", text);
  const bool seen = settings.logging.file.empty() && spdlog::should_log(level);
  if (!seen && !context.flags.quiet)
    context.err->line(kind == announcement::warning ? "warning: " + text : text);
}

} // namespace assay::cli
