"""Names of personal data, as devices spell them: data only.

From captures and the vendor's API vocabulary; unseen ones are listed on purpose. Compared in lower case, letters only.
"""

# these names themselves
NAMES = frozenset(
    {
        *("country", "province", "city", "region", "comment", "status"),  # where somebody is from, or belongs
        *("age", "sex", "angle", "cap", "hat", "hashat", "mask", "mouth", "temperature", "stereoinfo"),  # bodies
        *("id", "ip", "mac", "url", "content", "track", "timesection", "masterofcar", "maincolor", "manlist"),
    }
)

# names that contain one of these
PARTS = (
    *("plate", "text", "redlist", "blacklist", "whitelist", "owner", "phone", "licen"),  # plates and their holders
    *("driver", "rider", "passenger", "occupant", "seat", "belt", "calling", "smok", "sunshade", "violation"),
    *("face", "gender", "emotion", "feature", "vector", "glass", "beard", "eye", "attractive", "complexion"),
    *("strabism", "recresult", "similarity", "token", "hair"),
    *("person", "candidate", "certificate", "birth", "address", "name", "user", "card", "readid", "uid", "opendoor"),
    *("attribute", "coat", "trousers", "clothes", "bodycolor", "bag", "umbrella", "uniform", "helmet"),  # bodies
    *("image", "pic", "photo", "path"),  # pictures and where they lie
    *("gps", "latitude", "longitude"),
)

# names whose texts are harmless and of use, whatever is in them
HARMLESS = frozenset(
    {
        *("machinename", "localetime"),
        *("apiversion", "utcsent", "utcfrom", "utcto", "localfrom", "localto", "timezone"),
        *("serial", "application", "applicationversion", "count", "adults"),
    }
)

# what an object's own word for its kind says when it is a human, and what may then be kept of it
HUMANS = frozenset({"human", "humanface", "passerby"})
OF_HUMANS = frozenset({"action", "objectid", "objecttype"})
