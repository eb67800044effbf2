#include "tests/storage/helper_process.hpp"

#include "storage/test_counts.hpp"
#include "tests/storage/support.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <iostream>
#include <stdexcept>
#include <system_error>

extern char** environ;

namespace assay::storage::testing {

helper_process::helper_process(const std::string& mode, const std::vector<std::string>& arguments) {
  int out[2];
  int in[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(in, O_CLOEXEC) != 0)
    throw std::system_error(errno, std::generic_category(), "pipe");
  std::vector<std::string> words = {"storage_test", "--helper", mode};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (auto& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  const int error = ::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]);
  ::close(out[1]);
  from_ = out[0];
  to_ = in[1];
  if (error != 0)
    throw std::system_error(error, std::generic_category(), "posix_spawn");
}

helper_process::~helper_process() {
  if (!ended_ && pid_ > 0) {
    ::kill(pid_, SIGKILL);
    wait();
  }
  ::close(from_);
  if (to_ >= 0)
    ::close(to_);
}

std::optional<std::string> helper_process::read_line() {
  for (;;) {
    if (const auto end = buffer_.find('\n'); end != std::string::npos) {
      auto line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    char bytes[4096];
    const auto size = ::read(from_, bytes, sizeof bytes);
    if (size <= 0)
      return std::nullopt;
    buffer_.append(bytes, static_cast<size_t>(size));
  }
}

void helper_process::write_line(const std::string& line) {
  const auto text = line + "\n";
  if (::write(to_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    throw std::system_error(errno, std::generic_category(), "write");
}

int helper_process::wait() {
  if (ended_)
    return signal_;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  ended_ = true;
  signal_ = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return signal_;
}

// -- what the helpers do
// --------------------------------------------------------------------------------------

run_id crash_run(uint64_t ticket) { return run_id{first_run.value + ticket % 3}; }

std::string crash_document(uint64_t ticket) { return "ticket/" + std::to_string(ticket); }

write_batch crash_batch(uint64_t ticket) {
  write_batch batch;
  batch.ticket = ticket;
  const auto run = crash_run(ticket);
  for (uint32_t i = 0; i < 1 + ticket % 7; ++i) {
    const auto sample = static_cast<uint32_t>(ticket * 10 + i);
    batch.samples.push_back(sample_of(run, sample));
    batch.responses.push_back(response_of(run, sample));
  }
  batch.events.push_back(event_of(run, "{\"ticket\":" + std::to_string(ticket) + "}"));
  batch.put_document(table::settings, crash_document(ticket), "written");
  return batch;
}

reports::counted_source counts_of_run(uint32_t number) {
  reports::counted_source out;
  out.name = to_string(run_id{1'700'000'000U + number, number});
  out.owner = user_id{"ada"};
  out.finished_at = wall_time{seconds{1'700'000'000 + number}};
  reports::counted_tests tests;
  tests.kind = {"model-" + std::to_string(number % 3), "mock", "sums", "reasoning", "baseline", "beginner"};
  tests.counts.total = 10;
  tests.counts.full = 7;
  tests.counts.scored = 10;
  tests.counts.score_sum = 7;
  out.tests.push_back(std::move(tests));
  return out;
}

namespace {

void say(const std::string& line) {
  const auto text = line + "\n";
  // One write is atomic on a pipe: a killed writer leaves no half line.
  if (::write(1, text.data(), text.size()) < 0)
    std::_Exit(2);
}

/// Says which tickets are written, before anyone else hears of it.
writer::commit_callback saying(report_log& log) {
  return [forward = log.callback()](commit_report&& report) {
    for (const auto& ticket : report.tickets)
      if (!ticket.error)
        say(std::to_string(ticket.ticket));
    forward(std::move(report));
  };
}

/// Opens and answers "ok" or the name of the error with its message.
int open_helper(const std::string& folder) {
  const auto opened = store::open(test_farm::options_for(folder));
  say(opened ? "ok" : std::string(to_string(opened.error().code)) + " " + opened.error().message);
  return 0;
}

/// Writes batches until the operation of this number, where the process is killed.
int crash_helper(const std::string& folder, int operation, int number) {
  auto options = test_farm::options_for(folder);
  options.durable = true;
  std::atomic<int> left = -1;
  options.inject = [&, operation](store_operation at) {
    if (static_cast<int>(at) == operation && left >= 0 && left-- == 0)
      ::raise(SIGKILL);
    return injected_error::none;
  };
  auto data = store::open(options).value();
  // The opening itself is not counted.
  left = number;
  report_log log;
  auto out = writer::start(data, {}, saying(log)).value();
  for (uint64_t ticket = 1; ticket <= crash_tickets; ++ticket) {
    out->submit(crash_batch(ticket)).value();
    // So there are between a third and all as many commits as tickets, whatever the threads do.
    if (ticket % 3 == 0)
      log.wait_for(ticket);
  }
  out->stop();
  return 0;
}

/// Writes until the file may not grow any more, as on a full disk.
int full_helper(const std::string& folder) {
  auto options = test_farm::options_for(folder);
  options.durable = true;
  auto data = store::open(options).value();
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{1 << 20, 1 << 20};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  report_log log;
  auto out = writer::start(data, {}, saying(log)).value();
  number_source numbers(5);
  for (uint64_t ticket = 1; ticket < 10'000; ++ticket) {
    write_batch batch;
    batch.ticket = ticket;
    batch.put_document(table::settings, crash_document(ticket), numbers.bytes(8000));
    out->submit(std::move(batch)).value();
    if (log.wait_for(ticket).error)
      break;
  }
  out->stop();
  const auto why = data->write_fault();
  say("end " + std::string(why ? to_string(why->code) : "none"));
  return 0;
}

/// Reads beside the farm: for each line of input, how many documents there are.
int read_helper(const std::string& folder) {
  const auto data = store::open_read_only(folder);
  if (!data) {
    say(std::string(to_string(data.error().code)));
    return 0;
  }
  say("open");
  std::string line;
  while (std::getline(std::cin, line)) {
    size_t count = 0;
    document_query query;
    query.limit = max_page_rows;
    do {
      const auto page = snapshot::open(*data).value().page_documents(table::settings, query).value();
      count += page.documents.size();
      query.after = page.next;
    } while (query.after);
    say(std::to_string(count));
  }
  return 0;
}

/// Writes beside the farm: a document for each line of input, which must not be there yet.
int beside_helper(const std::string& folder) {
  const auto data = store::open_beside(folder);
  if (!data) {
    say(std::string(to_string(data.error().code)));
    return 0;
  }
  say("open");
  std::string line;
  while (std::getline(std::cin, line)) {
    write_batch batch;
    batch.put_document(table::settings, line, "from beside", document_condition::if_absent());
    const auto done = write_once(*data, std::move(batch));
    say(done ? "written" : std::string(to_string(done.error().code)));
  }
  return 0;
}

/// Writes the counts of runs beside the farm, each twice, and says which are written.
int count_helper(const std::string& folder, uint32_t first, uint32_t last) {
  const auto data = store::open_beside(folder);
  if (!data) {
    say(std::string(to_string(data.error().code)));
    return 0;
  }
  for (uint32_t number = first; number < last; ++number) {
    for (int turn = 0; turn < 2; ++turn) {
      write_batch batch;
      put_counts(batch, counts_of_run(number));
      write_once(*data, std::move(batch)).value();
    }
    say(std::to_string(number));
  }
  return 0;
}

/// Keeps a snapshot open until its input ends.
int hold_helper(const std::string& folder) {
  const auto data = store::open_read_only(folder).value();
  auto view = snapshot::open(data).value();
  say(view.find_run(first_run) ? "held" : "failed");
  std::string line;
  while (std::getline(std::cin, line)) {
  }
  return 0;
}

} // namespace

int run_helper(const std::string& mode, const std::vector<std::string>& arguments) {
  const auto argument = [&](size_t index) -> const std::string& { return arguments.at(index); };
  if (mode == "open")
    return open_helper(argument(0));
  if (mode == "crash")
    return crash_helper(argument(0), std::stoi(argument(1)), std::stoi(argument(2)));
  if (mode == "full")
    return full_helper(argument(0));
  if (mode == "read")
    return read_helper(argument(0));
  if (mode == "beside")
    return beside_helper(argument(0));
  if (mode == "count")
    return count_helper(argument(0), static_cast<uint32_t>(std::stoul(argument(1))),
                        static_cast<uint32_t>(std::stoul(argument(2))));
  if (mode == "hold")
    return hold_helper(argument(0));
  return 2;
}

} // namespace assay::storage::testing
