#pragma once

#include "actors/fleet/response_cache.hpp"

/// What the parts of the response cache share. Private to response_cache*.cpp.
namespace assay::response_cache_detail {

using self_pointer = response_cache_actor::stateful_pointer<response_cache_state>;
using config_ptr = std::shared_ptr<const response_cache_config>;
using answer_ptr = std::shared_ptr<const storage::cached_answer>;
using fresh_answer = response_cache_state::fresh_answer;

// -- response_cache_rows.cpp: what is in the store and on its way there

/// @returns the answers to @p questions that may be given; null where there is none or it is too old.
std::vector<answer_ptr> look_up(self_pointer self, const config_ptr& config,
                                const std::vector<std::string>& questions);
/// Sends new answers to the store; a null answer removes.
void keep(self_pointer self, const config_ptr& config, std::vector<fresh_answer> changes);
/// Moves answers that were just given to the end of the order, unless they are near it.
void used_again(self_pointer self, const config_ptr& config, const std::vector<fresh_answer>& given);
/// Learns how much there is; until then nothing is written.
void begin_counting(self_pointer self, const config_ptr& config);
void on_counted(self_pointer self, const config_ptr& config, const cache_counted& news);
/// Removes the least recently used when there is too much, a bounded number at a time.
/// @param look_for_expired Look even when there is not.
void remove_oldest(self_pointer self, const config_ptr& config, bool look_for_expired);
void on_oldest(self_pointer self, const config_ptr& config, const cache_oldest_found& found);
void on_committed(self_pointer self, const config_ptr& config, const committed& news);

} // namespace assay::response_cache_detail
