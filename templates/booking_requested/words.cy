what = Cais wedi dod i law
lead = Rydych wedi gofyn am le ar y cwrs hwn{{#booking.is_for_other}} ar gyfer {{booking.delegate_name}}{{/booking.is_for_other}}. Nid yw wedi'i gadarnhau eto.
next = Byddwn yn anfon e-bost atoch pan fydd penderfyniad.
