"""Looking for planted words: the pure search (`seeker`, `unpack`) and the places that it looks into (`places`, `memory`)."""
