#include "mock/call_record.hpp"

#include "mock/hash.hpp"
#include "mock/json_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace assay::mock {

namespace {

constexpr size_t max_prompts = 4'000'000;
constexpr size_t max_name = 128; ///< Of models, paths and custom ids.

fault cannot(const char* what, const std::filesystem::path& file) {
  return {errc::store_failed, std::string("cannot ") + what + " the record: " + std::strerror(errno),
          file.string(), "choose a file in a folder that exists and can be written"};
}

/// The same prompt sent to two models makes two entries: each of them is asked once in a clean run.
uint64_t entry_of(const call_ticket& ticket) noexcept { return hash_text(ticket.model, ticket.prompt_hash); }

/// Cuts @p text to @p size bytes at a character's border.
void shorten(std::string& text, size_t size) {
  if (text.size() <= size)
    return;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80)
    --size;
  text.resize(size);
}

std::string request_id_of(const call_ticket& call) {
  const auto digits = id_digits(call);
  switch (call.protocol) {
  case wire::azure:
  case wire::deepseek:
  case wire::dashscope:
    return digits.substr(0, 8) + "-" + digits.substr(8, 4) + "-4" + digits.substr(13, 3) + "-a"
           + digits.substr(17, 3) + "-" + digits.substr(20);
  case wire::gemini:
    return digits.substr(0, 22);
  case wire::openrouter:
    return "gen-" + digits.substr(0, 30);
  case wire::openai:
  case wire::anthropic:
    break;
  }
  return "req_" + digits;
}

} // namespace

std::string id_digits(const call_ticket& call) { return to_hex(call.id[0]) + to_hex(call.id[1]); }

void name_call(call_ticket& ticket, uint64_t seed, uint64_t n) {
  ticket.id = {mix(seed ^ n), mix(~seed ^ mix(n))};
  ticket.request_id = request_id_of(ticket);
}

std::string to_hex(uint64_t value) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text(16, '0');
  for (size_t i = 16; i-- > 0; value >>= 4)
    text[i] = digits[value & 15];
  return text;
}

result<std::unique_ptr<call_record>> call_record::open(const std::filesystem::path& file,
                                                       std::function<nanoseconds()> clock, uint64_t seed,
                                                       uint32_t kept) {
  int descriptor = -1;
  if (!file.empty()) {
    descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (descriptor < 0)
      return cannot("open", file);
  }
  return std::unique_ptr<call_record>(new call_record(file, descriptor, std::move(clock), seed, kept));
}

call_record::call_record(std::filesystem::path file, int descriptor, std::function<nanoseconds()> clock,
                         uint64_t seed, uint32_t kept)
    : file_(std::move(file)), descriptor_(descriptor), clock_(std::move(clock)), start_(clock_()),
      seed_(seed), most_kept_(kept) {}

call_record::~call_record() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

void call_record::received(call_ticket& ticket) {
  const std::lock_guard guard(mutex_);
  ticket.n = ++n_;
  shorten(ticket.model, max_name);
  shorten(ticket.custom_id, max_name);
  shorten(ticket.path, max_name);
  name_call(ticket, seed_, ticket.n);
  ++received_;
  ++in_flight_;
  if (ticket.prompt_hash != 0) {
    const auto key = entry_of(ticket);
    if (prompts_.size() < max_prompts || prompts_.contains(key))
      ticket.repetition = prompts_[key].received++;
    else
      ++overflow_;
  }
  keep(ticket);
  write("received", ticket);
}

void call_record::keep(const call_ticket& ticket) {
  if (most_kept_ == 0)
    return;
  const auto at = ticket.n % most_kept_;
  if (kept_.size() <= at)
    kept_.resize(at + 1);
  auto& call = kept_[at];
  call.ticket = ticket;
  call.received = clock_() - start_;
  call.ended = nanoseconds(-1);
}

void call_record::finished(const call_ticket& ticket, bool whole) {
  const std::lock_guard guard(mutex_);
  // After a reset, calls from before it still come to their end.
  if (in_flight_ > 0)
    --in_flight_;
  if (whole) {
    ++answered_;
    ++statuses_[ticket.status];
    if (ticket.status / 100 == 2) {
      prompt_tokens_ += ticket.prompt_tokens;
      completion_tokens_ += ticket.completion_tokens;
      if (const auto found = prompts_.find(entry_of(ticket)); found != prompts_.end())
        ++found->second.answered;
    }
  } else {
    ++dropped_;
  }
  if (ticket.struck != fault_kind::none)
    ++faults_[std::string(to_string(ticket.struck))];
  if (most_kept_ != 0 && ticket.n % most_kept_ < kept_.size())
    if (auto& call = kept_[ticket.n % most_kept_]; call.ticket.n == ticket.n) {
      call.ticket = ticket;
      call.ended = clock_() - start_;
      call.whole = whole;
    }
  write(whole ? "answered" : "dropped", ticket);
}

void call_record::write(std::string_view event, const call_ticket& ticket) {
  if (descriptor_ < 0)
    return;
  const auto since = std::chrono::duration_cast<microseconds>(clock_() - start_).count();
  auto fraction = std::to_string(1000 + since % 1000);
  fraction[0] = '.';
  line_.clear();
  line_ += "{\"n\":" + std::to_string(ticket.n) + ",\"t_ms\":" + std::to_string(since / 1000) + fraction;
  line_ += ",\"key_hash\":\"" + ticket.key_hash + "\",\"model\":";
  append_json_string(line_, ticket.model);
  line_ += ",\"prompt_hash\":\"" + (ticket.prompt_hash == 0 ? std::string() : to_hex(ticket.prompt_hash));
  line_ += "\",\"request_id\":\"" + ticket.request_id + "\",\"event\":\"";
  line_ += event;
  line_ += "\",\"protocol\":\"";
  line_ += to_string(ticket.protocol);
  line_ += "\",\"path\":";
  append_json_string(line_, ticket.path);
  line_ += ticket.stream ? ",\"stream\":true" : ",\"stream\":false";
  if (!ticket.custom_id.empty()) {
    line_ += ",\"custom_id\":";
    append_json_string(line_, ticket.custom_id);
  }
  line_ += ",\"status\":" + std::to_string(ticket.status);
  line_ += ",\"tokens\":" + std::to_string(ticket.prompt_tokens + ticket.completion_tokens);
  if (ticket.struck != fault_kind::none) {
    line_ += ",\"fault\":\"";
    line_ += to_string(ticket.struck);
    line_ += '"';
  }
  line_ += "}\n";
  std::string_view rest = line_;
  while (!rest.empty()) {
    const auto n = ::write(descriptor_, rest.data(), rest.size());
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      ++write_errors_;
      return;
    }
    rest.remove_prefix(static_cast<size_t>(n));
  }
}

nlohmann::json call_record::summary() const {
  const std::lock_guard guard(mutex_);
  uint32_t most_received = 0;
  uint32_t most_answered = 0;
  uint64_t repeated = 0;
  uint64_t answered_again = 0;
  for (const auto& [prompt, counts] : prompts_) {
    most_received = std::max(most_received, counts.received);
    most_answered = std::max(most_answered, counts.answered);
    repeated += counts.received > 1 ? 1 : 0;
    answered_again += counts.answered > 1 ? 1 : 0;
  }
  auto statuses = nlohmann::json::object();
  for (const auto& [status, count] : statuses_)
    statuses[std::to_string(status)] = count;
  return {{"simulated", true},
          {"received", received_},
          {"answered", answered_},
          {"dropped", dropped_},
          {"in_flight", in_flight_},
          {"statuses", std::move(statuses)},
          {"faults", faults_},
          {"tokens", {{"prompt", prompt_tokens_}, {"completion", completion_tokens_}}},
          {"prompts",
           {{"distinct", prompts_.size()},
            {"max_received", most_received},
            {"max_answered", most_answered},
            {"received_more_than_once", repeated},
            {"answered_more_than_once", answered_again},
            {"not_counted", overflow_}}},
          {"record", {{"file", file_.string()}, {"write_errors", write_errors_}}}};
}

void call_record::reset() {
  const std::lock_guard guard(mutex_);
  received_ = answered_ = dropped_ = in_flight_ = overflow_ = prompt_tokens_ = completion_tokens_ = 0;
  statuses_.clear();
  faults_.clear();
  prompts_.clear();
  kept_.clear();
}

nlohmann::json call_record::list(uint64_t after, size_t limit) const {
  const std::lock_guard guard(mutex_);
  std::vector<const kept_call*> found;
  for (const auto& call : kept_)
    if (call.ticket.n > after)
      found.push_back(&call);
  const auto older = [](const kept_call* a, const kept_call* b) { return a->ticket.n < b->ticket.n; };
  std::sort(found.begin(), found.end(), older);
  if (found.size() > limit)
    found.resize(limit);
  const auto ms = [](nanoseconds t) { return static_cast<double>(t.count()) / 1e6; };
  auto calls = nlohmann::json::array();
  for (const auto* call : found) {
    const auto& t = call->ticket;
    nlohmann::json shown{{"n", t.n},
                         {"protocol", to_string(t.protocol)},
                         {"path", t.path},
                         {"key_hash", t.key_hash},
                         {"model", t.model},
                         {"stream", t.stream},
                         {"status", t.status},
                         {"request_id", t.request_id},
                         {"custom_id", t.custom_id},
                         {"prompt_hash", t.prompt_hash == 0 ? std::string() : to_hex(t.prompt_hash)},
                         {"prompt_tokens", t.prompt_tokens},
                         {"completion_tokens", t.completion_tokens},
                         {"images", t.images},
                         {"fault", to_string(t.struck)},
                         {"received_ms", ms(call->received)}};
    if (call->ended >= nanoseconds(0)) {
      shown["ended_ms"] = ms(call->ended);
      shown["whole"] = call->whole;
    }
    calls.push_back(std::move(shown));
  }
  const auto next = found.empty() ? after : found.back()->ticket.n;
  return {{"calls", std::move(calls)}, {"next", next}};
}

result<call_record::slice> call_record::read(uint64_t offset, size_t limit) const {
  if (descriptor_ < 0)
    return fault{errc::not_found, "no record is kept", "record",
                 "start the mock provider with a record file"};
  const int descriptor = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return cannot("read", file_);
  slice out{std::string(limit, '\0'), offset};
  const auto n = ::pread(descriptor, out.lines.data(), limit, static_cast<off_t>(offset));
  ::close(descriptor);
  if (n < 0)
    return cannot("read", file_);
  const auto end = std::string_view(out.lines.data(), static_cast<size_t>(n)).rfind('\n');
  out.lines.resize(end == std::string_view::npos ? 0 : end + 1);
  out.next = offset + out.lines.size();
  return out;
}

} // namespace assay::mock
