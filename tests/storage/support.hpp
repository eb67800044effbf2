#pragma once

#include "storage/snapshot.hpp"
#include "storage/store.hpp"
#include "storage/writer.hpp"

#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace assay::storage::testing {

/// A folder that exists as long as the test.
class temp_folder {
public:
  temp_folder();
  ~temp_folder();
  temp_folder(const temp_folder&) = delete;
  temp_folder& operator=(const temp_folder&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  /// The data folder inside; the store creates it.
  std::filesystem::path data() const { return path_ / "data"; }

private:
  std::filesystem::path path_;
};

/// Keeps the reports of a writer and lets a test wait for them.
class report_log {
public:
  writer::commit_callback callback();

  /// Waits for the report of @p ticket; throws after 60 s.
  ticket_report wait_for(uint64_t ticket);
  /// The tickets reported so far, in order.
  std::vector<uint64_t> order() const;
  /// Those reported as written.
  std::vector<uint64_t> written() const;
  size_t commits() const;

private:
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<uint64_t, ticket_report> tickets_;
  std::vector<uint64_t> order_;
  size_t commits_ = 0;
};

/// A store with its writer.
class test_farm {
public:
  explicit test_farm(const store_options& options, const writer_options& writing = {});
  explicit test_farm(const std::filesystem::path& folder) : test_farm(options_for(folder)) {}

  /// Without flushes, unless the test sets that again.
  static store_options options_for(const std::filesystem::path& folder);

  const std::shared_ptr<store>& data() const noexcept { return store_; }
  storage::writer& out() noexcept { return *writer_; }
  report_log& reports() noexcept { return log_; }
  snapshot look() const { return snapshot::open(store_).value(); }

  /// Submits and waits. The ticket is given by the farm.
  ticket_report write(write_batch batch);

private:
  report_log log_;
  std::shared_ptr<store> store_;
  std::unique_ptr<storage::writer> writer_;
  uint64_t next_ticket_ = 1'000'000;
};

inline constexpr run_id first_run{1'700'000'000U, 1U};
inline constexpr run_id second_run{1'700'000'001U, 0U};

/// Deterministic records; every field of the full ones is set.
sample_address address_of(uint32_t sample, uint16_t generation = 0);
sample_record sample_of(run_id run, uint32_t sample, sample_status status = sample_status::scored);
sample_record full_sample();
response_record response_of(run_id run, uint32_t sample, uint16_t attempt = 0);
response_record full_response();
run_record run_of(run_id id, run_state state = run_state::running);
event event_of(run_id run, std::string_view data = "{}", event_type type = event_type::log);
event full_event();

bool same(const response_record& a, const response_record& b);

/// Deterministic numbers.
class number_source {
public:
  explicit number_source(uint64_t seed) : state_(seed) {}
  uint64_t next();
  /// Below @p limit.
  uint64_t below(uint64_t limit) { return next() % limit; }
  std::string bytes(size_t size);

private:
  uint64_t state_;
};

} // namespace assay::storage::testing
