#include "tests/storage/support.hpp"

#include <stdlib.h>

#include <stdexcept>
#include <system_error>
#include <tuple>

namespace assay::storage::testing {

temp_folder::temp_folder() {
  auto pattern = (std::filesystem::temp_directory_path() / "assay-storage-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr)
    throw std::system_error(errno, std::generic_category(), "mkdtemp");
  path_ = pattern;
}

temp_folder::~temp_folder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

writer::commit_callback report_log::callback() {
  return [this](commit_report&& report) {
    const std::lock_guard lock(mutex_);
    ++commits_;
    for (auto& ticket : report.tickets) {
      order_.push_back(ticket.ticket);
      tickets_[ticket.ticket] = std::move(ticket);
    }
    arrived_.notify_all();
  };
}

ticket_report report_log::wait_for(uint64_t ticket) {
  std::unique_lock lock(mutex_);
  if (!arrived_.wait_for(lock, std::chrono::seconds{60}, [&] { return tickets_.contains(ticket); }))
    throw std::runtime_error("no report of ticket " + std::to_string(ticket));
  return tickets_[ticket];
}

std::vector<uint64_t> report_log::order() const {
  const std::lock_guard lock(mutex_);
  return order_;
}

std::vector<uint64_t> report_log::written() const {
  const std::lock_guard lock(mutex_);
  std::vector<uint64_t> done;
  for (const auto ticket : order_)
    if (!tickets_.at(ticket).error)
      done.push_back(ticket);
  return done;
}

size_t report_log::commits() const {
  const std::lock_guard lock(mutex_);
  return commits_;
}

test_farm::test_farm(const store_options& options, const writer_options& writing)
    : store_(store::open(options).value()), writer_(writer::start(store_, writing, log_.callback()).value()) {
}

store_options test_farm::options_for(const std::filesystem::path& folder) {
  store_options options;
  options.folder = folder;
  // A busy disk flushes a hundred times a second; what survives the death of a process needs no flush.
  options.durable = false;
  return options;
}

ticket_report test_farm::write(write_batch batch) {
  batch.ticket = next_ticket_++;
  const auto ticket = batch.ticket;
  writer_->submit(std::move(batch)).value();
  return log_.wait_for(ticket);
}

sample_address address_of(uint32_t sample, uint16_t generation) {
  sample_address address;
  address.sample = sample;
  address.generation = generation;
  return address;
}

sample_record sample_of(run_id run, uint32_t sample, sample_status status) {
  sample_record record;
  record.run = run;
  record.address = address_of(sample);
  record.status = status;
  if (status == sample_status::scored)
    record.scores.push_back({0, 0.5, std::to_string(sample)});
  if (status == sample_status::failed)
    record.error = errc::provider_timeout;
  record.usage.prompt_tokens = sample;
  record.duration = milliseconds{sample};
  return record;
}

sample_record full_sample() {
  sample_record record;
  record.run = first_run;
  record.address = {1, 2, 300'000, 4, 5, 6};
  record.status = sample_status::scored;
  record.scores = {{0, 1.0, "42"}, {1, 0.333333333333, "caf\xC3\xA9"}};
  record.usage = {1200, 350, 1000, 300};
  record.cost = money{123'456'789};
  record.duration = milliseconds{1234};
  record.error = errc::scorer_failed;
  record.tries = 3;
  record.possibly_billed = true;
  return record;
}

response_record response_of(run_id run, uint32_t sample, uint16_t attempt) {
  response_record record;
  record.run = run;
  record.address = address_of(sample);
  record.attempt = attempt;
  record.prompt = shared_text("What is " + std::to_string(sample) + "?");
  record.answer = shared_text("It is attempt " + std::to_string(attempt));
  record.http_status = 200;
  return record;
}

response_record full_response() {
  response_record record;
  record.run = first_run;
  record.address = {1, 2, 300'000, 4, 5, 6};
  record.attempt = 2;
  record.prompt = shared_text("What is 6 x 7?");
  record.answer = shared_text(std::string_view("It is 42.\0 And \xFF is no UTF-8.", 29));
  record.target = shared_text("42");
  record.finish = finish_reason::stop;
  record.usage = {1200, 350, 1000, 300};
  record.usage_estimated = true;
  record.cost = money{-5};
  record.timing = {microseconds{1},    microseconds{20},     microseconds{300},
                   microseconds{4000}, microseconds{50'000}, microseconds{-6}};
  record.http_status = 200;
  record.served_model = "gpt-4o-2024-08-06";
  record.request_id = "req_0123456789";
  record.error = errc::truncated_answer;
  record.error_message = "the stream ended";
  record.failures = {{errc::rate_limited, 429, milliseconds{2000}, false, "slow down"},
                     {errc::provider_timeout, 0, milliseconds{500}, true, ""}};
  record.finished_at = wall_time{milliseconds{1'700'000'123'456}};
  record.simulated = true;
  record.possibly_billed = true;
  return record;
}

run_record run_of(run_id id, run_state state) {
  run_record record;
  record.spec.id = id;
  record.spec.owner = user_id("alice");
  record.spec.model = model_id("claude-3-haiku");
  record.spec.created_at = wall_time{seconds{id.value >> 32}};
  record.state = state;
  if (is_final(state))
    record.finished_at = record.spec.created_at + seconds{60};
  return record;
}

event event_of(run_id run, std::string_view data, event_type type) {
  event record;
  record.run = run;
  record.type = type;
  record.at = wall_time{milliseconds{1'700'000'000'000}};
  record.data = shared_text(data);
  return record;
}

event full_event() {
  auto record = event_of(first_run, R"({"reason":"asked by alice"})", event_type::evaluation_paused);
  record.seq = 7;
  record.at = wall_time{milliseconds{-1}};
  return record;
}

bool same(const response_record& a, const response_record& b) {
  const auto all = [](const response_record& r) {
    return std::tie(r.run, r.address, r.attempt, r.prompt, r.answer, r.target, r.finish, r.usage,
                    r.usage_estimated, r.cost, r.timing, r.http_status, r.served_model, r.request_id, r.error,
                    r.error_message, r.failures, r.finished_at, r.simulated, r.possibly_billed, r.key,
                    r.served_by);
  };
  return all(a) == all(b);
}

uint64_t number_source::next() {
  // splitmix64
  state_ += 0x9E3779B97F4A7C15ULL;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

std::string number_source::bytes(size_t size) {
  std::string text(size, '\0');
  for (auto& c : text)
    c = static_cast<char>(next());
  return text;
}

} // namespace assay::storage::testing
