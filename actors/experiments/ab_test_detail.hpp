#pragma once

#include "actors/experiments/ab_test.hpp"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>
#include <vector>

/// What the parts of a test's keeper share. Private to ab_test*.cpp.
namespace assay::ab_test_detail {

using json = nlohmann::json;
using self_pointer = ab_test_actor::stateful_pointer<ab_test_state>;
using promise = ab_test_state::promise;
using experiments::ab_state;

struct context {
  ab_test_config config;
  ab_test_supervisor_actor parent;
};
using context_ptr = std::shared_ptr<const context>;

// -- ab_test.cpp

std::string text_of(const json& value);
void start_ticking(self_pointer self, const context_ptr& with);
/// Makes the record and @p rows durable, and answers then.
void write(self_pointer self, const context_ptr& with, std::vector<document_change> rows, promise who,
           ab_answer answer);
/// Ends the test by itself; the caller writes.
void complete(self_pointer self, const context_ptr& with, std::string why);
/// The same, when its rule says so.
void end_if_decided(self_pointer self, const context_ptr& with, const experiments::ab_verdict& seen);
void refuse(promise& who, const fault& reason);
fault not_running(const experiments::ab_record& record, const char* wish);

// -- ab_test_run.cpp: tests that run by themselves

void run_by_itself(self_pointer self, const context_ptr& with, const ask_ab_test& wish, promise who);
/// Submits runs that are missing, and has a worker look at the others.
void go_on_with_runs(self_pointer self, const context_ptr& with);
void take_run_news(self_pointer self, const context_ptr& with, const ab_run_news& news);
/// Tells the test's runs, if it has any.
void command_runs(self_pointer self, const context_ptr& with, run_verb verb);

} // namespace assay::ab_test_detail
